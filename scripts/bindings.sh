#!/usr/bin/env bash
# Compiles the contracts and writes chain/abi/<Name>.json, which the Rust code is generated from;
# they are committed, so that building the node needs neither Node.js nor a Solidity compiler.
#
#   scripts/bindings.sh            writes the files
#   scripts/bindings.sh --check    fails when the committed files are not what the sources give
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
abi="$scripts/../chain/abi"
contracts=(NitroAdjudicator ConsensusApp VirtualPaymentApp BatchOperator Token)

check=false
case "${1:-}" in
'') ;;
--check) check=true ;;
*)
  echo "usage: scripts/bindings.sh [--check]" >&2
  exit 2
  ;;
esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# A clean folder and no tests: what else is compiled in the same run must not matter.
if ! "$scripts/forge.sh" build --force --skip test --out "$work/out" --cache-path "$work/cache" >"$work/log" 2>&1; then
  cat "$work/log" >&2
  exit 1
fi

mkdir "$work/abi"
for name in "${contracts[@]}"; do
  node -e '
    const [name, from, to] = process.argv.slice(1);
    const built = JSON.parse(require("fs").readFileSync(from, "utf8"));
    const file = {
      contractName: name,
      abi: built.abi,
      bytecode: built.bytecode.object,
      deployedBytecode: built.deployedBytecode.object,
    };
    for (const code of [file.bytecode, file.deployedBytecode]) {
      if (!/^0x([0-9a-f]{2})+$/.test(code)) throw new Error(`${name}: not plain bytecode, is a library unlinked?`);
    }
    require("fs").writeFileSync(to, JSON.stringify(file, null, 2) + "\n");
  ' "$name" "$work/out/$name.sol/$name.json" "$work/abi/$name.json"
done

if $check; then
  if ! diff -rq "$work/abi" "$abi" >"$work/diff" 2>&1; then
    echo "bindings.sh: chain/abi is not what chain/contracts compiles to; run scripts/bindings.sh and commit the result:" >&2
    for name in "${contracts[@]}"; do
      cmp -s "$work/abi/$name.json" "$abi/$name.json" || echo "  chain/abi/$name.json differs or is missing" >&2
    done
    for file in "$abi"/*; do
      [ -e "$work/abi/$(basename "$file")" ] || echo "  chain/abi/$(basename "$file") has no contract" >&2
    done
    exit 1
  fi
  echo "chain/abi is up to date"
else
  mkdir -p "$abi"
  cp "$work"/abi/*.json "$abi/"
  echo "wrote chain/abi: ${contracts[*]}"
fi
