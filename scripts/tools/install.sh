#!/usr/bin/env bash
# Installs the pinned tools when they are missing or the lock file changed, and prints where
# they are, one NAME=path per line on standard output; everything else goes to standard error.
#
#   scripts/tools/install.sh
#   eval "$(scripts/tools/install.sh)"      # sets FORGE, ANVIL and SOLC
#
# On a platform for which no forge or anvil is pinned the ones on PATH are used, provided that
# their version is the pinned one: another compiler driver could build other bytecode.
set -euo pipefail

tools="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
modules="$tools/node_modules"
stamp="$modules/.installed-lock"

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

command -v node >/dev/null || fail "node is missing: install Node.js 20 or newer"
command -v npm >/dev/null || fail "npm is missing: it normally comes with Node.js"
major="$(node -p 'process.versions.node.split(".")[0]')"
[ "$major" -ge 20 ] || fail "Node.js $major is too old: install 20 or newer"

want="$(node -e '
  const hash = require("crypto").createHash("sha256");
  for (const file of process.argv.slice(1)) hash.update(require("fs").readFileSync(file));
  console.log(hash.digest("hex"));
' "$tools/package.json" "$tools/package-lock.json")"

installed() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; }

if ! installed; then
  # Test runs start this script at the same time; only one of them may rewrite node_modules.
  if command -v flock >/dev/null; then
    exec 9>"$tools/.install.lock"
    flock 9
  fi
  if ! installed; then
    echo "install.sh: installing the pinned tools" >&2
    (cd "$tools" && npm ci --no-progress >&2) || fail "npm ci failed in scripts/tools: is the package registry reachable?"
    echo "$want" >"$stamp"
  fi
fi

pinned="$(node -p 'require(process.argv[1]).optionalDependencies["@foundry-rs/forge-linux-amd64"]' "$tools/package.json")"

locate() {
  local name="$1" path="$modules/.bin/$1"
  if [ ! -x "$path" ]; then
    path="$(command -v "$name")" || fail "no $name is pinned for this platform and none is on PATH: install $name $pinned"
    "$path" --version | grep -qF "$pinned" || fail "$path is not version $pinned"
  fi
  echo "$path"
}

forge="$(locate forge)"
anvil="$(locate anvil)"
printf 'FORGE=%q\nANVIL=%q\nSOLC=%q\n' "$forge" "$anvil" "$tools/solc.js"
