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
the figures of the existing Nitro contracts for the same step; `test/Gas.t.sol` fails when a step costs more here,
but for two, which are named below. The set-up is that of the reference: Alice was paid before, Bob and Irene never, the
adjudicator holds other tokens too, and an allowance is not used up by one deposit. The token is the one that the
reference was measured with, OpenZeppelin's of version 4.9, compiled as it was there: it logs an `Approval` whenever an
allowance is used.

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
  aim "the same when both are paid, one of them for the first time" \
    "exit by consent: both are paid, ETH" 105000 111514
  cat <<'TEXT'

The ERC-20 figures are below the aims for coin as well, because the token is warm after the first payment, and a payee
that is new to a token costs 20 000 where one that is new to the chain costs 25 000.

## Deployment

TEXT
  table 'deploy'
  cat <<'TEXT'

The adjudicator does more than the reference and is not dearer to deploy, because it is compiled for 200 runs and
never decodes an outcome.

## Deposits

TEXT
  table 'deposit, ETH' 'depositUpTo, ETH' 'deposit, ERC-20' 'depositUpTo, ERC-20'
  cat <<'TEXT'

A token deposit asks the token twice what the adjudicator has, before and after, so that nothing is credited that did
not arrive. With this token a question costs 617, together 1 234, and leaner code wins back a third of that: the first
and the second deposit of tokens are the two steps that cost more here than in the reference. A batch asks twice for all
of its entries together, and is cheaper from one entry on.

## Batches of deposits

TEXT
  table 'batch of 1,' 'batch of 5,' 'batch of 10,' 'batch of 20,' 'batch of 50,' 'batch of 100,'
  cat <<'TEXT'

## Leaving by consent

TEXT
  table 'exit by consent: concludeAndTransferAllAssets' 'exit by consent: both' 'exit by consent: with' \
    'exit by consent: the surplus'
  cat <<'TEXT'

As the reference is measured, Alice is paid everything and Bob nothing. The status of a channel of two that is paid in
full is not stored, and the event repeats the final state with its signatures, which costs 10 000.

When something is left over, if only one unit that a stranger has added, the status is stored, so that no older state can
take it: 22 100 for a new word, less 2 100 for having read it, and 4 800 that are not refunded because the holdings are
not zero. That is what the chain charges for remembering, and cheaper than the reference still. A later final state then
pays the surplus.

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

## Many guarantees

TEXT
  for count in 16 50 100 200; do
    printf '%s\n' "exit with $count guarantees: challengeAll" "exit with $count guarantees: settle" \
      "exit with $count guarantees: total" "exit with $count guarantees: dearest"
  done >"$work/order"
  mapfile -t order <"$work/order"
  table "${order[@]}" 'settle 200 guarantees by 32'
  cat <<'TEXT'

Leaving a ledger channel alone with as many payment channels, each with a redeemed voucher: up to 100 challenges (and
the ledger's own) go into a transaction, and all reclaims into one `settle`, or 32 at a time in the last rows. Beside the
dearest transaction stands what one may have since EIP-7825, 16 777 216. A reclaim costs about 19 000 however many there
are; most of it is calldata, the event and finding out that the target is final. A `settle` on top costs about 3 000 for
every guarantee that stays. One `settle` of 200 carries 225 KB, and nodes pass on no transaction above 128 KiB: with 200
guarantees 74 fit, so that a node needs three, with 100 all of them.

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
