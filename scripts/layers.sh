#!/usr/bin/env bash
# Proves the one rule of dependency: engine names no other crate of ours and does no IO; store and
# chain name only engine, p2p names none, node names all.
set -euo pipefail
cd "$(dirname "$0")/.."

fail=0
ours='^(engine|store|p2p|chain|node) '

# Crates of ours that a crate depends on, itself left out.
named() {
  local tree
  tree="$(cargo tree --locked --quiet --package "$1" --edges normal,build --prefix none)" || return 1
  grep -E "$ours" <<<"$tree" | cut -d' ' -f1 | sort -u | grep -vx "$1" | tr '\n' ' ' || true
}

expect() { # crate, what it may name
  local found
  found="$(named "$1")"
  if [ "$found" != "$2" ]; then
    echo "layers: $1 depends on '${found}', allowed is '${2}'" >&2
    fail=1
  fi
}

expect engine ""
expect store "engine "
expect p2p ""
expect chain "engine "
expect node "chain engine p2p store "

# No clock, file, socket or runtime behind the engine's back.
io='^(tokio|mio|socket2|hyper|reqwest|libp2p|fjall|chrono|time|tracing) '
tree="$(cargo tree --locked --quiet --package engine --edges normal --prefix none)"
if found="$(grep -E "$io" <<<"$tree")"; then
  echo "layers: engine depends on crates that do IO or read clocks:" >&2
  echo "$found" >&2
  fail=1
fi

[ "$fail" = 0 ] && echo "layers: ok"
exit "$fail"
