#!/bin/sh
# Kills the real server under load, with kill -9, and checks after every kill that no acknowledged write is lost.
#
#   tests/crash-kill.sh [kills, default 200] [seed, default the time]
set -eu
cd "$(dirname "$0")/.."
ZKRS_KILLS=${1:-200}
ZKRS_KILL_SEED=${2:-$(date +%s)}
export ZKRS_KILLS ZKRS_KILL_SEED
exec cargo test --release --locked --test crash_kill -- --nocapture
