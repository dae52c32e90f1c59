#!/usr/bin/env bash
# Runs every test. Installs what the foreign peers need by itself; what it cannot have it names at the end.
#
#   tests/run.sh            everything that belongs to the gate, slices of the long campaigns among it
#   tests/run.sh --quick    Rust's own tests only
#   tests/run.sh --long     the campaigns as well: some hours
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
quick=0
long=0
[[ ${1:-} == --quick ]] && quick=1
[[ ${1:-} == --long ]] && long=1

passed=0
failed=()
skipped=()

# run NAME COMMAND...: one part of the tests. Exit code 97 means that a peer cannot be had here.
run() {
    local name=$1 status
    shift
    printf '\n=== %s (%s)\n' "$name" "$(date -u +%H:%M:%S)"
    "$@"
    status=$?
    case $status in
        0) passed=$((passed + 1)) ;;
        97) skipped+=("$name") ;;
        *) failed+=("$name (exit status $status)") ;;
    esac
}

if [[ $quick == 0 ]]; then
    run "what the foreign peers need" tests/install.sh
    run "the binary, as users have it" cargo build --release --quiet --bin zkrs
fi
run "unit and integration tests" cargo test --workspace --quiet
if [[ $quick == 0 ]]; then
    run "crash images on a simulated disk (slice)" cargo run --release --quiet -p zkrs-sim -- --images 8000
    run "the benchmark's own tests" python3 benches/compare/test_compare.py
    run "transcripts of zkCli and cli_mt" tests/transcripts/run.sh
    run "kazoo's own suite" tests/kazoo/run.sh zkrs
fi
if [[ $long == 1 ]]; then
    run "the Rust client against a live server" client/tests/live.sh zkrs
    run "transcripts of zkrs shell" tests/transcripts/run.sh shell
    run "differential against Apache ZooKeeper" tests/differential/run.sh
    run "files both ways with Apache ZooKeeper" tests/files-both-ways/run.sh
    run "kill -9 under load, 200 times" tests/crash-kill.sh
    run "fuzz targets" tests/fuzz/run.sh
fi

printf '\n'
for name in "${skipped[@]:-}"; do [[ -n $name ]] && echo "SKIPPED: $name: a peer cannot be had here, see above"; done
for name in "${failed[@]:-}"; do [[ -n $name ]] && echo "FAILED: $name"; done
echo "parts: $passed passed, ${#failed[@]} failed, ${#skipped[@]} skipped"
[[ ${#failed[@]} == 0 ]]
