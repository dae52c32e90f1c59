#!/usr/bin/env bash
# Random request sequences against Apache ZooKeeper and zkrs, everything they answer compared.
#
#   tests/differential/run.sh                    the campaign: 20,000 sequences
#   tests/differential/run.sh --slice            300 of them
#   tests/differential/run.sh [arguments]        those of zkrs-differential; see its --help
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case ${1:-} in
    "") set -- --sequences 20000 --seed 1 ;;
    --slice) set -- --sequences 300 --seed 7 ;;
esac
tests/install.sh apache
cargo build --release --quiet --bin zkrs
exec cargo run --release --quiet -p zkrs-differential --bin zkrs-differential -- --a apache --b zkrs "$@"
