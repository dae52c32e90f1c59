#!/usr/bin/env bash
# Data directories from Apache ZooKeeper to zkrs and back; see --help. Builds what it needs.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/install.sh apache
cargo build --release -p zkrs
exec cargo run --release -p zkrs-differential --bin files-both-ways -- "$@"
