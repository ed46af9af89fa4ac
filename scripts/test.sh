#!/usr/bin/env bash
# Everything that must hold, in one command. Needs Rust, Node.js and npm; installs the pinned chain
# and contract tools into the project.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s ==\n' "$*"; }

step "tools"
eval "$(scripts/tools/install.sh)"
export ANVIL

step "format"
cargo fmt --all --check
scripts/forge.sh fmt --check

step "lints"
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

step "layers"
scripts/layers.sh

if cargo deny --version >/dev/null 2>&1; then
  step "dependencies"
  cargo deny --all-features check bans licenses sources
fi

step "contract artifacts"
scripts/bindings.sh --check

step "contracts"
scripts/forge.sh test
scripts/gas.sh --check

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --locked --workspace --all-features
else
  cargo test --locked --workspace --all-features --lib --bins --tests
fi
cargo test --locked --workspace --all-features --doc --quiet

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps --quiet

printf '\nall checks passed\n'
