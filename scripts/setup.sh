#!/usr/bin/env bash
# setup.sh [build] [check] [test]: installs what is missing to build, check and test the app, says so, and is done at once when nothing is.
# Writes to the user's cache and the project only; on Debian as root, apt too.
set -euo pipefail
. "$(dirname "$0")/env.sh"

scratch='' running='' no_services=''
clean_up() {
  [ -z "$running" ] || kill "$running" 2>/dev/null || true
  [ -z "$scratch" ] || rm -rf "$scratch"
  [ -z "$no_services" ] || rm -f "$no_services"
}
trap clean_up EXIT
# A background command ignores the interrupt from the keyboard, so it is ended here.
trap 'exit 130' INT TERM

# One set-up at a time: two clones share the cache.
mkdir -p "$tools"
if command -v flock >/dev/null; then
  exec 9>"$cache/lock"
  flock -n 9 || { say "another set-up is running; waiting for it"; flock 9; }
fi

worked=
# step LABEL COMMAND…: runs a long command with its output in a log, prints the log's last line every 10 seconds, and the log's
# end where it fails.
step() {
  local label=$1 log status=0 started=$SECONDS last
  shift
  worked=1
  log=$(mktemp)
  say "$label …"
  "$@" >"$log" 2>&1 9>&- </dev/null &
  running=$!
  while kill -0 "$running" 2>/dev/null; do
    sleep 1
    if [ $(((SECONDS - started) % 10)) -eq 9 ]; then
      last=$(tr '\r' '\n' <"$log" | grep -v '^ *$' | tail -n 1 | cut -c -100) || true
      say "  $((SECONDS - started)) s  ${last# }"
    fi
  done
  wait "$running" || status=$?
  running=
  if [ "$status" = 0 ]; then
    say "$label: done in $((SECONDS - started)) s"
  else
    say "$label: failed"
    tail -n "${failed_lines:-30}" "$log" >&2
  fi
  rm -f "$log"
  return "$status"
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_updated=
# apt PACKAGE…: installs Debian packages, or says how.
apt() {
  can_apt || fail "missing here: $*." "On Debian or Ubuntu: sudo apt-get install $*"
  if [ -z "$apt_updated" ]; then
    step "apt-get update" apt-get update || say "going on with the package lists that there are"
    apt_updated=1
  fi
  step "apt-get install $*" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" ||
    fail "apt-get could not install: $*"
}

# The C parts of crates (SQLite) need a C compiler.
c_compiler() { command -v cc >/dev/null || apt build-essential; }

debian_toolchain() {
  # std fits the one compiler that built it, so an upgrade by apt means a new one.
  [ -x "$debian_rust/bin/rustc" ] && [ "$(/usr/bin/rustc --version)" = "$(cat "$debian_rust/version")" ] && return
  apt rustc-web cargo-web rust-web-src rust-web-llvm lld-22 rustfmt-web rust-web-clippy
  new_enough /usr/bin/rustc || fail "Debian's Rust is too old for this: $(/usr/bin/rustc --version)"
  step "std for $wasm_target from Debian's source, about a minute" "$root/scripts/debian-rust.sh" "$debian_rust" ||
    fail "Debian's Rust could not be prepared."
  # shellcheck source=env.sh
  . "$root/scripts/env.sh"
}

toolchain() {
  if [ "${KONTASKS_TOOLCHAIN:-}" = debian ]; then
    debian_toolchain
  elif ! command -v rustc >/dev/null && ! command -v rustup >/dev/null; then
    say "no Rust here"
    can_apt || fail "Rust is missing. Install it from https://rustup.rs and run this again."
    debian_toolchain
  else
    if command -v rustup >/dev/null && ! has_wasm rustc && rustc --version >/dev/null 2>&1; then
      step "rustup target add $wasm_target" rustup target add "$wasm_target" || say "rustup cannot fetch it"
    fi
    if ! has_wasm rustc || ! new_enough rustc; then
      say "$(rustc --version 2>&1 | head -n 1): too old, or without std for wasm; taking Debian's"
      can_apt || fail "Rust with std for $wasm_target is missing: rustup update stable && rustup target add $wasm_target"
      debian_toolchain
    fi
  fi
}

# The components that only `make check` uses.
lints() {
  local name
  for name in rustfmt clippy; do
    cargo "${name/rustfmt/fmt}" --version >/dev/null 2>&1 || step "rustup component add $name" rustup component add "$name" ||
      fail "cargo $name is missing: rustup component add $name"
  done
}

# cargo_tool PROGRAM VERSION NOTE CARGO-ARGUMENTS…: a program from crates.io into the cache, unless that version is on PATH.
# Built fast rather than made fast: with the profile that it ships with, cargo-leptos takes over twenty minutes.
cargo_tool() {
  local program=$1 version=$2 note=$3
  shift 3
  case " $("$program" --version 2>/dev/null | head -n 1) " in *" $version "*) return ;; esac
  c_compiler
  [ -n "$scratch" ] || scratch=$(mktemp -d)
  # The locked dependencies compile with older compilers than some of them ask for. Where the registry does not have them all (a
  # mirror, a yanked version), the newest that fit are taken.
  local install=(env CARGO_TARGET_DIR="$scratch" CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=0
    cargo install --ignore-rust-version --root "$tools/$program-$version" --version "$version" "$@")
  failed_lines=5 step "$program $version: building, $note" "${install[@]}" --locked ||
    CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback step "$program $version: without its lock file" "${install[@]}" ||
    fail "$program $version could not be built. By hand: cargo install --version $version $*"
}

node_fits() { command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 18 ? 1 : 0)' 2>/dev/null; }

npm_tools() {
  if ! node_fits; then
    can_apt || fail "Node.js 18 or newer, with npm, is missing: https://nodejs.org"
    apt nodejs npm
    hash -r
    node_fits || fail "Node.js $(node --version) is too old, 18 is needed: https://nodejs.org"
  fi
  local stamp=$root/end2end/node_modules/.kontasks-lock
  cmp -s "$root/end2end/package-lock.json" "$stamp" && return
  step "npm packages (sass, wasm-opt, Playwright)" \
    npm --prefix "$root/end2end" ci --omit=optional --no-audit --no-fund --loglevel=error ||
    fail "npm ci failed in end2end/."
  cp "$root/end2end/package-lock.json" "$stamp"
}

# The browser, and the driver of its version for the wasm tests.
browser() {
  if [ -n "$KONTASKS_CHROMIUM" ]; then
    command -v "$KONTASKS_CHROMIUM" >/dev/null || fail "KONTASKS_CHROMIUM=$KONTASKS_CHROMIUM is not there."
  elif ! playwright_chromium >/dev/null; then
    failed_lines=0 step "Playwright's Chromium" playwright install chromium || {
      say "Playwright's own browser cannot be fetched here"
      apt chromium chromium-driver fonts-dejavu-core fonts-noto-color-emoji
    }
  fi
  if [ -z "${CHROMEDRIVER:-}" ] && ! command -v chromedriver >/dev/null; then
    say "chromedriver is missing, which the wasm tests need"
    apt chromium-driver
  fi
}

# The proxies that the specs put in front of the server, as programs only: on Debian each of their packages brings a service, which would
# take port 80 now and at each start of the machine.
proxies() {
  local name missing=()
  for name in nginx haproxy caddy; do
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$name" >/dev/null || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  # What Debian asks before it starts a service; a machine that has its own answer keeps it.
  if can_apt && [ ! -e /usr/sbin/policy-rc.d ]; then
    no_services=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$no_services"
    chmod 755 "$no_services"
  fi
  apt "${missing[@]}"
  [ -z "$no_services" ] || rm -f "$no_services"
  no_services=
  if command -v systemctl >/dev/null; then
    systemctl disable "${missing[@]}" >/dev/null 2>&1 || say "could not ask systemd to leave these alone at its next start: ${missing[*]}"
  fi
}

# Programs of other people's making that read the stream: curl, and httpx-sse in a Python environment of its own. (npm's eventsource comes
# with npm_tools.)
clients() {
  local wanted=$root/end2end/requirements.txt
  command -v curl >/dev/null || apt curl
  cmp -s "$wanted" "$python_clients/requirements.txt" && [ -x "$python_clients/bin/python" ] && return
  # Debian's Python makes no environments without this package.
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt python3 python3-venv
  rm -rf "$python_clients"
  step "httpx-sse for Python" python_environment "$python_clients" "$wanted" || fail "httpx-sse could not be installed; end2end/requirements.txt has the versions."
  cp "$wanted" "$python_clients/requirements.txt"
}

python_environment() { python3 -m venv "$1" && "$1/bin/python" -m pip install --disable-pip-version-check --only-binary :all: -r "$2"; }

for part in "${@:-build}"; do
  case $part in
  build)
    toolchain
    c_compiler
    cargo_tool wasm-bindgen "$wasm_bindgen_version" "about 2 minutes" wasm-bindgen-cli
    # Of cargo-leptos only its compression would be felt; no_downloads: it takes its tools from PATH.
    cargo_tool cargo-leptos "$cargo_leptos_version" "about 5 minutes" cargo-leptos --features no_downloads \
      --config profile.release.opt-level=0 --config profile.release.package.cargo-leptos.opt-level=1 \
      --config profile.release.package.brotli.opt-level=2
    npm_tools
    ;;
  check) lints ;;
  test)
    browser
    proxies
    clients
    ;;
  *) fail "no such part: $part" ;;
  esac
done
[ -z "$worked" ] || say "ready: $(rustc --version), cargo-leptos $cargo_leptos_version, wasm-bindgen $wasm_bindgen_version"
