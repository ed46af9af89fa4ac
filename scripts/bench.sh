#!/usr/bin/env bash
# Prints what two or more real nodes do beside what the machine can do, measured in the same run.
#
#   scripts/bench.sh                  everything, a few minutes
#   scripts/bench.sh --quick          shorter windows, for a first look
#   scripts/bench.sh payments         one part: payments, opening, wire or restart
#
# docs/performance.md says how to read it. Nothing fails because it is slow.
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
located="$("$scripts/tools/install.sh")"
eval "$located"
export ANVIL

cd "$scripts/.."
exec cargo bench --quiet -p node --bench bench -- "$@"
