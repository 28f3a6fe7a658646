# shellcheck shell=bash
# What every script here shares: the pinned versions, where the tools lie, and how to speak. Sourced, never run.
# It only looks; whatever is missing is installed by setup.sh.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kontasks
tools=$cache/tools

# The CLI that writes the wasm's JavaScript must be of the very version of the crate, so Cargo.lock is asked.
wasm_bindgen_version=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print; exit }' "$root/Cargo.lock")
cargo_leptos_version=0.3.11
wasm_target=wasm32-unknown-unknown

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# has_wasm RUSTC: whether that compiler exists and has std for wasm.
has_wasm() {
  local sysroot lib
  sysroot=$("$1" --print sysroot 2>/dev/null) || return 1
  for lib in "$sysroot/lib/rustlib/$wasm_target/lib"/libstd-*.rlib; do
    [ -e "$lib" ] && return 0
  done
  return 1
}

# new_enough RUSTC: whether that compiler can build this crate (rust-version in Cargo.toml).
new_enough() {
  local want have
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  have=$("$1" --version 2>/dev/null | sed -E 's/^rustc ([0-9.]+).*/\1/') || return 1
  [ "$(printf '%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ]
}

# Prints where Playwright's own download is, if there is one.
playwright_chromium() {
  node -e 'const path = require(process.argv[1]).chromium.executablePath(); require("fs").accessSync(path); console.log(path)' \
    "$root/end2end/node_modules/playwright-core" 2>/dev/null
}

# Debian's compiler with a wasm std built from its source (debian-rust.sh). It is used when asked for, or when the ordinary one
# cannot build the page.
debian_rust=$tools/debian-rust
# (Cargo found ~/.cargo/bin by itself; it is where rustup and nobody's PATH may have put it.)
case ":$PATH:" in *":${CARGO_HOME:-$HOME/.cargo}/bin:"*) ;; *) PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin ;; esac
if [ "${KONTASKS_TOOLCHAIN:-}" = debian ] || { [ -x "$debian_rust/bin/rustc" ] && ! { has_wasm rustc && new_enough rustc; }; }; then
  PATH=$debian_rust/bin:$PATH
fi
PATH=$tools/cargo-leptos-$cargo_leptos_version/bin:$tools/wasm-bindgen-$wasm_bindgen_version/bin:$root/end2end/node_modules/.bin:$PATH
export PATH

# The browser. Without one of these, Playwright uses its own download, if there is any.
if [ -z "${KONTASKS_CHROMIUM:-}" ]; then
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if KONTASKS_CHROMIUM=$(command -v "$name"); then break; fi
  done
fi
export KONTASKS_CHROMIUM

# The Python that has the stream's third-party client.
python_clients=$tools/python-clients
export KONTASKS_PYTHON=$python_clients/bin/python

# wasm tests run in headless Chromium.
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$root/scripts/wasm-test-runner
