#!/usr/bin/env bash
# Data directories from Apache ZooKeeper to zkrs and back. Builds what it needs.
#
#   tests/files-both-ways/run.sh                 200,000 znodes each way, then random round trips
#   tests/files-both-ways/run.sh --slice         small trees, two round trips
#   tests/files-both-ways/run.sh [arguments]     those of files-both-ways; see its --help
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ ${1:-} == --slice ]]; then
    set -- --znodes 0 --small 2000 --round-trips 2
fi
tests/install.sh apache
cargo build --release --quiet --bin zkrs
exec cargo run --release --quiet -p zkrs-differential --bin files-both-ways -- "$@"
