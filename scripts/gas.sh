#!/usr/bin/env bash
# Measures what every call of the contracts costs and writes docs/gas.md.
#
#   scripts/gas.sh            writes the file
#   scripts/gas.sh --check    fails when the committed file is not what the sources give
set -euo pipefail

scripts="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
file="$scripts/../docs/gas.md"

check=false
case "${1:-}" in
'') ;;
--check) check=true ;;
*)
  echo "usage: scripts/gas.sh [--check]" >&2
  exit 2
  ;;
esac

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if ! "$scripts/forge.sh" test --match-contract '^Gas' -vv >"$work/log" 2>&1; then
  cat "$work/log" >&2
  exit 1
fi
sed -n 's/^ *gas|//p' "$work/log" | sort -u >"$work/rows"

# The rows whose name starts with one of the arguments, in the order of the arguments.
table() {
  echo "| transaction | reference | here | difference |"
  echo "| --- | ---: | ---: | ---: |"
  local prefix name used bound
  for prefix in "$@"; do
    while IFS='|' read -r name used bound; do
      [[ "$name" == "$prefix"* ]] || continue
      if [ "$bound" = 0 ]; then
        echo "| $name | | $used | |"
      else
        echo "| $name | $bound | $used | $(awk -v a="$used" -v b="$bound" 'BEGIN { printf "%+.1f %%", (a - b) * 100 / b }') |"
      fi
    done <"$work/rows"
  done
}

used() { awk -F'|' -v name="$1" '$1 == name { print $2 }' "$work/rows"; }

# What we aim at, and whether this is it.
aim() {
  local cost
  cost="$(used "$2")"
  if [ "$cost" -le "$3" ]; then
    echo "| $1 | $4 | $3 | $cost | met |"
  else
    echo "| $1 | $4 | $3 | $cost | missed by $((cost - $3)) |"
  fi
}

{
  cat <<'TEXT'
# What the contracts cost

Written by `scripts/gas.sh`; `scripts/gas.sh --check` says whether it is up to date. Figures are the gas of whole
transactions: base cost, calldata, execution and refunds, under London rules, compiled as deployed. "Reference" are
the figures of the existing Nitro contracts for the same step; `test/Gas.t.sol` fails when a step costs more here.
The set-up is that of the reference: Alice was paid before, Bob and Irene never, the adjudicator holds other tokens
too, and an allowance is not used up by one deposit.

## Aims

| path | reference | aim | here | |
| --- | ---: | ---: | ---: | --- |
TEXT
  aim "leaving a virtually funded channel alone: challengeAll, settle" \
    "virtually funded exit: total of two calls, ETH" 380000 470520
  aim "leaving a directly funded channel alone: challenge, transferAllAssets" "direct exit: total, ETH" 170000 195172
  aim "leaving a directly funded channel alone: challenge, settle" "direct exit: total by settle, ETH" 170000 195172
  aim "leaving by consent: concludeAndTransferAllAssets" \
    "exit by consent: concludeAndTransferAllAssets, ETH" 105000 111514
  cat <<'TEXT'

The ERC-20 figures are below the aims for coin as well, because the token is warm after the first payment, and a payee
that is new to a token costs 20 000 where one that is new to the chain costs 25 000.

## Deployment

TEXT
  table 'deploy'
  cat <<'TEXT'

The adjudicator does more than the reference and is not dearer to deploy, because it is compiled for 200 runs. With
20 000 runs it would cost about 490 000 more, once, and save 20 to 2 200 in a call.

## Deposits

TEXT
  table 'deposit, ETH' 'depositUpTo, ETH' 'deposit, ERC-20' 'depositUpTo, ERC-20'
  cat <<'TEXT'

A token deposit asks the token twice what the adjudicator has, before and after, so that nothing is credited that did
not arrive. That costs about 1 400, of which leaner calls win back 500. Our test token, unlike the one the reference was
measured with, does not log an `Approval` when an allowance is used, which is worth 1 900: with a token that does,
as OpenZeppelin's was until version 5, a token deposit costs about 900 (1.3 %) more than the reference's, and this is the
one step that then does.

## Batches of deposits

TEXT
  table 'batch of 1,' 'batch of 5,' 'batch of 10,' 'batch of 20,' 'batch of 50,' 'batch of 100,'
  cat <<'TEXT'

## Leaving by consent

TEXT
  table 'exit by consent'
  cat <<'TEXT'

The status of the channel is not written before it would be deleted in the same transaction.

## Leaving alone

TEXT
  table 'direct exit: challenge, ETH' 'direct exit: transferAllAssets, ETH' 'direct exit: total, ETH' \
    'direct exit: settle, ETH' 'direct exit: total by settle, ETH' \
    'direct exit: challenge, ERC' 'direct exit: transferAllAssets, ERC' 'direct exit: total, ERC' \
    'direct exit: settle, ERC' 'direct exit: total by settle, ERC'
  printf '\n'
  for asset in ETH ERC; do
    for step in 'challenge X' 'challenge L' 'transferAllAssets L' 'transferAllAssets X' 'total'; do
      printf '%s\n' "ledger-funded exit: $step, $asset"
    done
  done >"$work/order"
  mapfile -t order <"$work/order"
  table "${order[@]}"
  printf '\n'
  for asset in ETH ERC; do
    for step in 'challenge L' 'challenge V' 'reclaim' 'transferAllAssets' 'total' \
      'challengeAll' 'settle' 'total of two calls'; do
      printf '%s\n' "virtually funded exit: $step, $asset"
    done
  done >"$work/order"
  mapfile -t order <"$work/order"
  table "${order[@]}"
  cat <<'TEXT'

The reference has neither `challengeAll` nor `settle`; beside them stands the sum of the calls they replace.

A challenge is mostly what the chain itself charges: for the direct one 21 000 for the transaction, 10 000 for its
calldata, 22 100 for the status, 12 000 for an event that repeats the states so that others can answer, 10 000 for
three signatures and 2 600 for reaching the app.

## Clearing a challenge

TEXT
  table 'clear a challenge'
} >"$work/gas.md"

if $check; then
  if ! cmp -s "$work/gas.md" "$file"; then
    diff -u "$file" "$work/gas.md" >&2 || true
    echo "gas.sh: docs/gas.md is not what chain/contracts costs; run scripts/gas.sh and commit the result" >&2
    exit 1
  fi
  echo "docs/gas.md is up to date"
else
  cp "$work/gas.md" "$file"
  echo "wrote docs/gas.md"
fi
