#!/usr/bin/env bash
# The Rust client against a real server: client/tests/live.sh [apache|zkrs] [cargo test's own arguments]
# Exit code 97: that server cannot be had on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
server=${1:-zkrs}
shift || true
cargo test --quiet --package zkrs-client --features live --test live --no-run
exec python3 tests/oracle/servers.py run --server "$server" --set extendedTypesEnabled=true \
    --set 4lw.commands.whitelist='*' -- \
    cargo test --quiet --package zkrs-client --features live --test live "$@"
