#!/bin/sh
# Coverage-guided fuzzing of everything that reads bytes from outside.
#
#   tests/fuzz/run.sh [--seconds N] [--slice] [--binary PATH] [target...]
#
# Replays the committed corpora first, always. Then fuzzes each target for N seconds (default 1200; --slice: 20) from
# its corpus. New inputs go to a scratch folder, findings to tests/fuzz/findings/<target>. One line per target; the
# exit code is 1 when there is a finding.
#
# Needs a C++ compiler for libFuzzer and the Rust toolchain of the project, no nightly one: coverage comes from a pass
# that the stable compiler has. Without a C++ compiler only the replay runs, it says SKIPPED and ends
# with 97.
#
#   tests/fuzz/run.sh --merge [target...]     takes into the corpus what adds coverage, smallest inputs first
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"

seconds=1200
merge=no
binary=
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2; shift 2 ;;
        --slice) seconds=20; shift ;;
        --binary) binary=$2; shift 2 ;;
        --merge) merge=yes; shift ;;
        -*) echo "run.sh: unknown option $1; see the head of this file" >&2; exit 2 ;;
        *) break ;;
    esac
done
all="client_port jute_records txn_log snapshot zoo_cfg client_replies"
targets=${*:-$all}

CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$here/target}
export CARGO_TARGET_DIR
host=$(rustc -vV | sed -n 's/^host: //p')
# A run makes and drops whole servers: giving the memory back each time costs more than the run.
export MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_MMAP_THRESHOLD_=268435456
scratch=${ZKRS_FUZZ_SCRATCH:-$CARGO_TARGET_DIR/fuzz-scratch}

if [ "$merge" = no ] && [ -z "$binary" ]; then
    cargo build --release --bin replay
    "$CARGO_TARGET_DIR/release/replay"
fi

if [ -z "$binary" ] && ! command -v c++ >/dev/null 2>&1; then
    echo "SKIPPED: fuzzing needs a C++ compiler (c++) to build libFuzzer; the corpora were replayed" >&2
    exit 97
fi

if [ -z "$binary" ]; then
    # Only the target's own flags: build scripts and macros are not instrumented.
    RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code" \
        cargo build --release --features libfuzzer --bin fuzz --target "$host"
    binary=$CARGO_TARGET_DIR/$host/release/fuzz
fi

# The longest input tried, bytes; the same as in src/lib.rs.
input_bytes_max() {
    case $1 in
        txn_log|snapshot) echo 8192 ;;
        *) echo 4096 ;;
    esac
}

fuzz() {
    target=$1
    work=$scratch/$target
    found=$here/findings/$target
    mkdir -p "$work" "$found"
    log=$scratch/$target.log
    status=0
    dictionary=
    [ ! -f "$target.dict" ] || dictionary=-dict=$target.dict
    # The heap limit is the target's own allocator's (src/lib.rs); -rss_limit_mb is the belt to it.
    ZKRS_FUZZ_TARGET=$target "$binary" -max_total_time="$seconds" -max_len="$(input_bytes_max "$target")" \
        -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=1 $dictionary \
        -artifact_prefix="$found/" "$work" "corpus/$target" >"$log" 2>&1 || status=$?
    crashes=$(find "$found" -type f | wc -l)
    execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: .*/\1/p' "$log" | tail -1)
    corpus=$(sed -n 's/.* corp: \([0-9]*\)\/.*/\1/p' "$log" | tail -1)
    printf '%-15s %ss execs=%s (%s/s) coverage=%s corpus=%s findings=%s exit=%s\n' "$target" "$seconds" \
        "${execs:-?}" "${rate:-?}" "${coverage:-?}" "${corpus:-?}" "$crashes" "$status"
    if [ "$status" -ne 0 ] || [ "$crashes" -ne 0 ]; then
        grep -E "panicked at|ERROR: libFuzzer|memory allocation" -A 2 "$log" | head -n 6 || true
        return 1
    fi
}

merge_corpus() {
    target=$1
    new=$scratch/merged-$target
    rm -rf "$new"
    mkdir -p "$new" "$scratch/$target" "corpus/$target"
    ZKRS_FUZZ_TARGET=$target "$binary" -merge=1 -max_len="$(input_bytes_max "$target")" \
        "$new" "corpus/$target" "$scratch/$target" >"$scratch/$target.merge.log" 2>&1
    rm -rf "corpus/$target"
    mv "$new" "corpus/$target"
    echo "$target: $(find "corpus/$target" -type f | wc -l) inputs, $(du -sb "corpus/$target" | cut -f1) bytes"
}

failed=0
for target in $targets; do
    if [ "$merge" = yes ]; then
        merge_corpus "$target"
    else
        fuzz "$target" || failed=1
    fi
done
exit $failed
