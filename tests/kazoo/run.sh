#!/usr/bin/env bash
# kazoo's own test suite, unmodified from PyPI, with one server (its harness at cluster size 1: standalone).
#
#   tests/kazoo/run.sh [apache|zkrs] [--slice] [-j N] [pytest arguments]
#
#   zkrs      (default) every server the harness starts is zkrs; see bin/java. ZKRS_BIN names the binary.
#   apache    the same run with the real server, which shows what an exception rests on
#   --slice   the files of slice.txt only, under a minute
#   -j N      pytest processes, each with its own server (default 4: the tests mostly wait, and 4 take a third of the time)
#
# Tests named in exceptions.txt run but do not count. The last line is
# `kazoo: N passed, M failed, K skipped, ...`; the exit code is 0 only when no test failed and some passed.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/tests/.cache/kazoo

export KAZOO_SERVER=zkrs
jobs=4
arguments=()
targets=(--pyargs kazoo.tests)
while (($#)); do
    case $1 in
        apache | zkrs) KAZOO_SERVER=$1 ;;
        --slice) mapfile -t targets < <(sed -e '/^#/d' -e '/^$/d' -e 's|^|kazoo/tests/|' "$here/slice.txt") ;;
        -j) jobs=$2; shift ;;
        *) arguments+=("$1") ;;
    esac
    shift
done

skip() { echo "SKIPPED: kazoo's suite against $KAZOO_SERVER because $1"; exit 0; }
[[ -x $venv/bin/pytest ]] || skip "tests/install.sh kazoo did not install it: $(cat "$root/tests/.cache/kazoo.skipped" 2> /dev/null)"
export ZKRS_BIN
ZKRS_BIN=$(realpath -m "${ZKRS_BIN:-$root/target/release/zkrs}")
REAL_JAVA=$(command -v java || echo /nonexistent/java)
export REAL_JAVA
if [[ $KAZOO_SERVER == apache ]]; then
    [[ -e $root/tests/.cache/apache.ok ]] || skip "Apache ZooKeeper is not installed: $(cat "$root/tests/.cache/apache.skipped" 2> /dev/null)"
elif [[ ! -x $ZKRS_BIN ]]; then
    echo "kazoo: there is no $ZKRS_BIN: cargo build --release, or set ZKRS_BIN" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KAZOO_SUMMARY=$work/summary KAZOO_PORT_BASE=$((20000 + RANDOM % 200 * 40))
export TMPDIR=$work PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 PATH=$here/bin:$PATH
export ZOOKEEPER_CLASSPATH=$root/tests/.cache/apache/'*' ZOOKEEPER_VERSION=3.9.5 ZOOKEEPER_CLUSTER_SIZE=1
unset CI # with CI set, kazoo believes ZOOKEEPER_VERSION instead of asking the server

cd "$venv"/lib/python3*/site-packages || exit 1
parallel=()
((jobs > 1)) && parallel=(-n "$jobs" --dist loadscope)
"$venv/bin/pytest" -p plugin -p no:cacheprovider -q --disable-warnings --timeout 180 -ra "${parallel[@]}" "${arguments[@]}" "${targets[@]}"
code=$?
cat "$KAZOO_SUMMARY" 2> /dev/null || { echo "kazoo: 0 passed, pytest itself failed with $code"; exit 1; }
# 0: all passed. 5: nothing was collected.
exit $code
