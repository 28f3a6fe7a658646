#!/usr/bin/env bash
# debian-rust.sh DIR: makes DIR a Rust toolchain out of Debian's packages, with std for wasm, which Debian does not ship, built
# from rust-web-src. /usr itself is left as apt made it: DIR/lib/rustlib links to it and adds the wasm target, and DIR/bin holds
# the programs, told to look there.
set -euo pipefail

dir=$1
target=wasm32-unknown-unknown
host=$(/usr/bin/rustc --version --verbose | sed -n 's/^host: //p')

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# std is built as a part of any crate. Bitcode lets the page's release build optimise over it; `test` is for the wasm tests.
mkdir -p "$scratch/crate/src"
cat >"$scratch/crate/Cargo.toml" <<'TOML'
[package]
name = "std-for-wasm"
edition = "2021"
[profile.release]
debug = false
[workspace]
TOML
: >"$scratch/crate/src/lib.rs"
(
  cd "$scratch/crate"
  unset RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
  # -Zbuild-std is not stable, and this compiler's own std is the one thing it may be used for.
  RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS='-C embed-bitcode=yes' \
    /usr/bin/cargo build -Zbuild-std=std,panic_abort,test --target "$target" --release --target-dir "$scratch/target"
)

new=$dir.new
rm -rf "$new"
mkdir -p "$new/bin" "$new/lib/rustlib/$target/lib"
ln -s "/usr/lib/rustlib/$host" "/usr/lib/rustlib/etc" "$new/lib/rustlib/"
cp "$scratch/target/$target/release/deps"/*.rlib "$new/lib/rustlib/$target/lib/"
rm -f "$new/lib/rustlib/$target/lib"/libstd_for_wasm*

ln -s /usr/bin/cargo /usr/bin/cargo-fmt /usr/bin/rustfmt "$new/bin/"
for program in rustc rustdoc; do
  printf '#!/bin/sh\nexec /usr/bin/%s --sysroot "%s" "$@"\n' "$program" "$dir" >"$new/bin/$program"
done
printf '#!/bin/sh\nSYSROOT="%s" exec /usr/bin/cargo-clippy "$@"\n' "$dir" >"$new/bin/cargo-clippy"
chmod +x "$new"/bin/*
/usr/bin/rustc --version >"$new/version"

rm -rf "$dir"
mv "$new" "$dir"
"$dir/bin/rustc" --print sysroot
