#!/usr/bin/env bash
# The main job on real parts, in one command: installs the development chain, builds the node, and lets
# Alice pay Bob through Irene. Ends with an error if a wei is missing.
#
#   ./scripts/demo.sh
#   ./scripts/demo.sh --payments 500 --profile dev    # builds faster, pays slower
#   ./scripts/demo.sh --cheat                         # Irene falls silent and shows an old state
#   ./scripts/demo.sh --attack                        # villains and strangers try what a key allows
set -euo pipefail
cd "$(dirname "$0")/.."

payments=20000
profile=release
scene=()
while [ $# -gt 0 ]; do
  case "$1" in
  --payments) payments="${2:?--payments needs a number}"; shift 2 ;;
  --profile) profile="${2:?--profile needs dev or release}"; shift 2 ;;
  --cheat | --attack) scene=("$1"); shift ;;
  -h | --help) sed -n '2,9p' "$0" | cut -c3-; exit 0 ;;
  *) echo "demo: unknown option $1; see --help" >&2; exit 2 ;;
  esac
done

echo "» Tools"
eval "$(scripts/tools/install.sh)"
export ANVIL

echo "» Building the node ($profile); the first time takes minutes"
cargo build --locked --profile "$profile" --package node --bin nitro --example demo

case "$profile" in dev) folder=debug ;; *) folder="$profile" ;; esac
built="${CARGO_TARGET_DIR:-target}/$folder"
exec "$built/examples/demo" --nitro "$built/nitro" --dir .demo --payments "$payments" \
  ${scene[@]+"${scene[@]}"}
