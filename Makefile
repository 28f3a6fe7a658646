# Set-up, build, tests: `make help` lists the targets. Each one first installs what is missing, which costs a second when nothing is.

SHELL := bash
.DEFAULT_GOAL := help
with := scripts/with
locked := $(if $(CI),--locked)

.PHONY: help setup run dev build check test test-rust test-wasm test-e2e chaos bench fuzz

help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## Install everything the other targets need
	@scripts/setup.sh build check test
	@printf 'setup: everything is there\n'

run: build ## Build the app and start it; ARGS="--addr 0.0.0.0:3000" and the like
	@bin=$$(scripts/binary) && exec "$$bin" serve $(ARGS)

dev: ## Rebuild and reload at every change (cargo leptos watch)
	@scripts/setup.sh build
	$(with) cargo leptos watch --split

build: ## Build the release binary, target/release/kontasks
	@scripts/setup.sh build
	@scripts/build

# RUSTFLAGS stay the same everywhere but in cargo-leptos, which asks for type-erased views and, of the linker, for relocations.
check: ## Formatting, clippy for the server and for the page, docs; warnings are errors
	@scripts/setup.sh build check
	$(with) cargo fmt --check
	$(with) cargo clippy $(locked) --all-targets --features ssr,fetch-transport -- -D warnings
	$(with) cargo clippy $(locked) --lib --features hydrate --target wasm32-unknown-unknown -- -D warnings
	$(with) cargo clippy $(locked) --lib --test browser --features hydrate,fetch-transport --target wasm32-unknown-unknown -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(with) cargo doc $(locked) --no-deps --document-private-items --features ssr,fetch-transport

test: ## Every test: Rust, wasm in Chromium, Playwright
	@scripts/setup.sh build test
	@$(MAKE) --no-print-directory test-rust
	@$(MAKE) --no-print-directory test-wasm
	@$(MAKE) --no-print-directory test-e2e

# The shell that prompts are written for, whoever's shell it is.
test-rust: ## The server's unit, property, integration and doc tests
	@scripts/setup.sh build
	SHELL=/bin/sh $(with) cargo test $(locked) --features ssr

test-wasm: ## The page's own tests, in headless Chromium
	@scripts/setup.sh build test
	$(with) cargo test $(locked) --test browser --features hydrate,fetch-transport --target wasm32-unknown-unknown

test-e2e: build ## Playwright against the release binary; ARGS="name.spec.ts" picks specs
	@scripts/setup.sh build test
	cd end2end && KONTASKS_BIN="$${KONTASKS_BIN:-$$(../scripts/binary)}" ../$(with) playwright test $(ARGS)

chaos: ## Restart and break everything at random, compare every byte; SEED=n ROUNDS=50 JOBS=4, BROWSER=n rounds with Chromium
	@scripts/setup.sh build
	@seed=$${SEED:-$$RANDOM$$RANDOM} && set -x && \
	  CHAOS_SEED=$$seed CHAOS_ROUNDS=$${ROUNDS:-50} CHAOS_JOBS=$${JOBS:-} $(with) cargo test $(locked) --features ssr --test chaos && \
	  if [ "$${BROWSER:-0}" -gt 0 ]; then CHAOS_SEED=$$seed CHAOS_BROWSER_ROUNDS=$$BROWSER $(MAKE) test-e2e ARGS=storm.hydrate.spec.ts; fi

bench: ## Run the benches
	@scripts/setup.sh build
	$(with) cargo bench $(locked) --features ssr

fuzz: ## Fuzz the event stream parser for a minute; ARGS=600 for ten
	@scripts/setup.sh build
	scripts/fuzz event_stream_parser $(ARGS)
