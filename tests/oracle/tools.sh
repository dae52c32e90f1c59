#!/usr/bin/env bash
# Apache ZooKeeper 3.9.5's own programs on files and servers, for tests that ask whether Apache accepts what zkrs wrote.
#
#   tools.sh snapshot-dump [-d|-json] SNAPSHOT         SnapshotFormatter: every znode and session (-d: with data)
#   tools.sh snapshot-compare LEFT RIGHT [BYTES [NODES]]   SnapshotComparer: nodes that differ by at least BYTES or
#                                                      NODES (default 0 0: list all), with its debug output
#   tools.sh snapshot-summary SNAPSHOT PATH DEPTH      SnapshotRecursiveSummary: znodes and bytes below PATH
#   tools.sh log-dump LOG                              TxnLogToolkit -d: every transaction, "CRC ERROR" on a bad checksum
#   tools.sh log-check LOG                             the same, quiet: fails on a bad checksum and on what it cannot read to the end
#   tools.sh log-recover LOG                           TxnLogToolkit -r -v -y: writes LOG.fixed
#   tools.sh log-chop LOG ZXID                         TxnLogToolkit -c: writes LOG.chopped<ZXID>
#   tools.sh purge DATADIR [SNAPDIR] COUNT             PurgeTxnLog: keeps the newest COUNT snapshots and their logs
#   tools.sh zkcli [ARGUMENTS]                         ZooKeeperMain
#   tools.sh class CLASS [ARGUMENTS]                   any other main class
#
# Needs tests/install.sh apache. Exit code 97 (and SKIPPED on stderr) when Apache cannot be had here, else the tool's.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
jars=$here/../.cache/apache
package=org.apache.zookeeper.server

skip() { echo "SKIPPED: Apache's tools because $1" >&2; exit 97; }
[[ -e $jars/zookeeper-3.9.5.jar ]] || skip "$(cat "$here/../.cache/apache.skipped" 2> /dev/null || echo tests/install.sh apache has not run)"
command -v java > /dev/null || skip "there is no java"

java_class() {
    java -XX:+UseSerialGC -XX:-UsePerfData -XX:TieredStopAtLevel=1 -Xshare:auto "${APACHE_TOOLS_HEAP:--Xmx2g}" \
        -Dorg.slf4j.simpleLogger.defaultLogLevel="${APACHE_TOOLS_LOG:-error}" -Dfile.encoding=UTF-8 \
        -cp "$jars/*" "$@"
}

log_check() {
    local output
    output=$(java_class $package.persistence.TxnLogToolkit -d "$1" 2>&1) || { tail -n 5 <<< "$output" >&2; return 1; }
    if grep -n '^CRC ERROR' <<< "$output" >&2; then return 1; fi
    # A readable log ends with this line: at its end, or at the zeroes of its preallocated part.
    tail -n 1 <<< "$output" | grep '^EOF reached after [0-9]* txns' || { tail -n 3 <<< "$output" >&2; return 1; }
}

usage() { sed -n '2,/^set -u/p' "${BASH_SOURCE[0]}" | sed -e '/^set -u/d' -e 's/^# \{0,1\}//' >&2; exit 2; }
needs() { (($2 >= $1)) || usage; }

(($#)) || usage
tool=$1
shift
case $tool in
    snapshot-dump) needs 1 $#; java_class $package.SnapshotFormatter "$@" ;;
    snapshot-compare) needs 2 $#; java_class $package.SnapshotComparer -l "$1" -r "$2" -b "${3:-0}" -n "${4:-0}" -d ;;
    snapshot-summary) needs 3 $#; java_class $package.SnapshotRecursiveSummary "$@" ;;
    log-dump) needs 1 $#; java_class $package.persistence.TxnLogToolkit -d "$@" ;;
    log-check) needs 1 $#; log_check "$@" ;;
    log-recover) needs 1 $#; java_class $package.persistence.TxnLogToolkit -r -v -y "$@" ;;
    log-chop) needs 2 $#; java_class $package.persistence.TxnLogToolkit -c -z "$2" "$1" ;;
    purge) needs 2 $#; count=${*: -1}; java_class $package.PurgeTxnLog "${@:1:$#-1}" -n "$count" ;;
    zkcli) java_class org.apache.zookeeper.ZooKeeperMain "$@" ;;
    class) needs 1 $#; java_class "$@" ;;
    *) usage ;;
esac
