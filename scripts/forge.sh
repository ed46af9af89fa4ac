#!/usr/bin/env bash
# Runs forge on the contracts with the pinned compiler, installing both when needed:
#
#   scripts/forge.sh test
#   scripts/forge.sh test --match-contract VirtualPaymentApp -vvv
#   scripts/forge.sh fmt --check
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
located="$("$scripts/tools/install.sh")"
eval "$located"

# forge wants the compiler by a full path, which only this script can know.
export FOUNDRY_SOLC="$SOLC"
cd "$scripts/../chain/contracts"
exec "$FORGE" "$@"
