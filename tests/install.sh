#!/usr/bin/env bash
# Installs what the foreign peers of the tests need, into tests/.cache (and Debian packages, when root).
#
#   tests/install.sh [--require] [apache] [kazoo] [cli] [redis]      (no part named: all of them)
#
#   apache  the jars of Apache ZooKeeper 3.9.5         tests/.cache/apache/*.jar     needs java, mvn, Maven Central
#   kazoo   a Python venv with kazoo and its tests     tests/.cache/kazoo/bin/...    needs python3, PyPI
#   cli     Debian's C client: cli_mt, load_gen        package zookeeper-bin         needs root and apt
#   redis   redis-server, redis-benchmark              Debian packages               needs root and apt
#
# Safe to repeat: a part that is there already costs nothing. A part that cannot be had prints
# `SKIPPED: <what> because <why>` and leaves tests/.cache/<part>.skipped with the reason in it, so that what
# needs the part can say so too; a part that is there leaves tests/.cache/<part>.ok. With --require (or
# ZKRS_REQUIRE_PEERS=1) a skipped part makes the exit code 1. Nothing is started and no service enabled.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$here/.cache
log=$cache/install.log
require=${ZKRS_REQUIRE_PEERS:-0}
network_timeout_s=600
skipped=0

main() {
    local parts=() part
    for part in "$@"; do
        case $part in
            --require) require=1 ;;
            apache | kazoo | cli | redis) parts+=("$part") ;;
            *) echo "install.sh: unknown part '$part'; parts are: apache kazoo cli redis" >&2; exit 2 ;;
        esac
    done
    ((${#parts[@]})) || parts=(apache kazoo cli redis)
    mkdir -p "$cache"
    # One installer at a time: several test commands may start together.
    if command -v flock > /dev/null; then
        exec 9> "$cache/install.lock"
        flock 9
    fi
    for part in "${parts[@]}"; do "install_$part"; done
    [[ $require == 1 && $skipped == 1 ]] && exit 1
    exit 0
}

install_apache() {
    local stamp=3.9.5-$(cksum < "$here/oracle/pom.xml" | cut -d' ' -f1)
    if is_installed apache "$stamp" && command -v java > /dev/null; then return; fi
    need_program java default-jre-headless || { skip apache "Apache ZooKeeper 3.9.5" "there is no java ($why)"; return; }
    need_program mvn maven || { skip apache "Apache ZooKeeper 3.9.5" "there is no mvn ($why)"; return; }
    rm -rf "$cache/apache.new"
    if ! run mvn -q -B -f "$here/oracle/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$cache/apache.new"; then
        skip apache "Apache ZooKeeper 3.9.5" "mvn could not copy the jars: $(last_error)"
        return
    fi
    rm -rf "$cache/apache"
    mv "$cache/apache.new" "$cache/apache"
    installed apache "$stamp"
}

install_kazoo() {
    # pyOpenSSL 24.3 dropped calls that kazoo's harness makes its certificates with; setuptools has the
    # pkg_resources that its tests import.
    local wanted=('kazoo[test,eventlet,gevent,sasl]==2.11.0' 'pyopenssl<24.3' 'pytest-xdist==3.6.1')
    local stamp="${wanted[*]}"
    if is_installed kazoo "$stamp" && "$cache/kazoo/bin/python" -c 'import kazoo.tests' 2> /dev/null; then return; fi
    need_program python3 python3 || { skip kazoo "kazoo's suite" "there is no python3 ($why)"; return; }
    rm -rf "$cache/kazoo"
    if ! run python3 -m venv "$cache/kazoo"; then
        apt_install python3-venv
        run python3 -m venv "$cache/kazoo" || { skip kazoo "kazoo's suite" "python3 -m venv fails: $(last_error)"; return; }
    fi
    if ! run "$cache/kazoo/bin/pip" install --disable-pip-version-check -q "${wanted[@]}"; then
        skip kazoo "kazoo's suite" "pip could not install it: $(last_error)"
        return
    fi
    installed kazoo "$stamp"
}

install_cli() {
    if is_installed cli "$(cli_mt_path)" && [[ -n $(cli_mt_path) ]]; then return; fi
    [[ -n $(cli_mt_path) ]] || apt_install zookeeper-bin || { skip cli "the C client cli_mt" "$why"; return; }
    [[ -n $(cli_mt_path) ]] || { skip cli "the C client cli_mt" "the package zookeeper-bin brought no cli_mt"; return; }
    installed cli "$(cli_mt_path)"
}

install_redis() {
    if is_installed redis debian && command -v redis-server redis-benchmark > /dev/null; then return; fi
    command -v redis-server redis-benchmark > /dev/null || apt_install redis-server redis-tools \
        || { skip redis "redis-server" "$why"; return; }
    installed redis debian
}

cli_mt_path() { command -v cli_mt || { [[ -x /usr/lib/zookeeper/bin/cli_mt ]] && echo /usr/lib/zookeeper/bin/cli_mt; }; }

# need_program NAME PACKAGE: true when NAME is there, if need be after installing PACKAGE; else $why says why not.
need_program() { command -v "$1" > /dev/null || { apt_install "$2" && command -v "$1" > /dev/null; }; }

# Debian packages, without their services. $why holds the reason of a failure.
apt_install() {
    why="apt-get does not exist here and the package would be $*"
    command -v apt-get > /dev/null || return 1
    why="installing the Debian package $* needs root"
    [[ $(id -u) == 0 ]] || return 1
    why="installing the Debian package $* failed"
    with_no_service_starts apt_get_install "$@" && return 0
    why="$why: $(last_error)"
    return 1
}

apt_get_install() {
    local get=(apt-get install -y --no-install-recommends "$@")
    run "${get[@]}" || { run apt-get update && run "${get[@]}"; }
}

# A policy-rc.d that answers 101 forbids every service start by a package's scripts; the machine's own is put back.
with_no_service_starts() {
    local policy=/usr/sbin/policy-rc.d had_own=0 result
    if [[ -e $policy ]]; then
        had_own=1
        cp -p "$policy" "$cache/policy-rc.d.own"
    fi
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy"
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "$@"
    result=$?
    if ((had_own)); then mv "$cache/policy-rc.d.own" "$policy"; else rm -f "$policy"; fi
    return $result
}

run() {
    printf '+ %s\n' "$*" >> "$log"
    if command -v timeout > /dev/null; then timeout "$network_timeout_s" "$@"; else "$@"; fi >> "$log" 2>&1 9>&-
}

last_error() { grep -iE 'error|fail|unable|could not' "$log" | grep -v '\[Help' | tail -n 1 | cut -c 1-200; }

is_installed() { [[ -e $cache/$1.ok && $(< "$cache/$1.ok") == "$2" ]]; }

installed() {
    echo "$2" > "$cache/$1.ok"
    rm -f "$cache/$1.skipped"
    echo "installed: $1"
}

skip() {
    echo "SKIPPED: $2 because $3"
    echo "$2 because $3" > "$cache/$1.skipped"
    rm -f "$cache/$1.ok"
    skipped=1
}

main "$@"
