#!/usr/bin/env bash
# Pastes the shell blocks of README.md, or of another file, line by line into an interactive shell in an
# empty folder, and ends with an error at the first line that fails.
#
#   scripts/readme.sh bash
#   scripts/readme.sh zsh README.md
#
# Left out are the lines that build and install, and the block of ./scripts: NITRO_FOLDER has the built
# program (target/release unless given), and ANVIL is the development chain (installed unless given).
# PORTS are seven to use instead of those of the README, for the chain, three for peers, three for
# programs: the tests give some that nobody else uses.
set -euo pipefail
cd "$(dirname "$0")/.."

shell="${1:?which shell: bash or zsh}"
case "$shell" in
bash) paste=(bash --norc --noprofile -i) ;;
zsh) paste=(zsh --no-rcs -i) ;;
*) echo "readme: unknown shell $shell: bash or zsh" >&2; exit 2 ;;
esac
folder="$(cd "${NITRO_FOLDER:-target/release}" && pwd)"
[ -n "${ANVIL:-}" ] || eval "$(scripts/tools/install.sh)"
export ANVIL
file="${2:-README.md}"
read -ra ports <<<"${PORTS:-8545 3001 3002 3003 4001 4002 4003}"

place="$(mktemp -d)"
cleanup() {
  for pid in "$place"/.devnet/*.pid; do
    [ ! -f "$pid" ] || kill -9 "$(cat "$pid")" 2>/dev/null || true
  done
  rm -rf "$place"
}
trap cleanup EXIT

awk '/^```sh$/ { shell = 1; next } /^```/ { shell = 0 } shell' "$file" >"$place/lines"
# Each line is followed by a look at how it ended: an interactive shell goes on after a failure.
while IFS= read -r line; do
  case "$line" in
  ./scripts/* | 'cargo build '* | 'export PATH='* | *scripts/tools/install.sh*)
    echo "readme: not run: $line" >&2
    continue
    ;;
  esac
  printf '%s\n' "$line"
  printf '[ $? = 0 ] || { echo "readme: the line above fails in %s" >&2; exit 1; }\n' "$shell"
done <"$place/lines" |
  sed -e "s/\b8545\b/${ports[0]}/g" \
    -e "s/\b3001\b/${ports[1]}/; s/\b3002\b/${ports[2]}/; s/\b3003\b/${ports[3]}/" \
    -e "s/\b4001\b/${ports[4]}/; s/\b4002\b/${ports[5]}/; s/\b4003\b/${ports[6]}/" >"$place/paste"
[ -s "$place/paste" ] || { echo "readme: no lines in $file" >&2; exit 1; }

cd "$place"
# What a newcomer does not have is not there: neither a folder nor settings of a node.
env -i HOME="$place" PATH="$folder:$PATH" TERM=dumb ANVIL="$ANVIL" "${paste[@]}" <paste
echo "readme: every line works in $shell" >&2
