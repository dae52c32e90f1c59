#!/usr/bin/env bash
# Transcripts of unmodified Apache clients (Java's zkCli, Debian's cli_mt) against Apache 3.9.5 and against zkrs.
#   tests/transcripts/run.sh             zkrs must say what Apache says
#   tests/transcripts/run.sh apache      Apache against itself: the drive and the normaliser are deterministic
#   tests/transcripts/run.sh shell       `zkrs shell` must say what Java's zkCli says
#   tests/transcripts/run.sh golden      zkrs against the committed transcripts (for a machine without Java)
# More options: run.sh --help
set -eu
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
