# Everything that a person types here. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NATIVE := services/native/quarterhour_native.abi3.so
FILE ?=

.DEFAULT_GOAL := help
.PHONY: help native sim setup lock demo up down test test-long acceptance chaos backlog bench lint type schemas fmt

help: ## This list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Install everything into .venv, by the hashes in requirements.lock; where Rust's cargo is there, the compiled twin too
	@if command -v cargo >/dev/null; then $(MAKE) --no-print-directory native || echo 'Without the compiled twin everything works too, slower: go on.'; fi

native: $(NATIVE) ## The compiled twin of the hot path (needs Rust's cargo, 1.82 or newer)

$(NATIVE): services/native/Cargo.toml $(wildcard services/native/src/*.rs)
	cargo build --quiet --release --manifest-path services/native/Cargo.toml --target-dir .native
	cp .native/release/libquarterhour_native.so $@.new && mv $@.new $@

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -c "import pathlib, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'quarterhour.pth').write_text(str(pathlib.Path.cwd()))"
	printf '#!/bin/sh\nexec "%s/python" -m services.cli "$$@"\n' "$(CURDIR)/$(BIN)" > $(BIN)/quarterhour && chmod +x $(BIN)/quarterhour
	touch $@

lock: setup ## Compile requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header -q -o requirements.lock

up: setup ## Start the local stack in the background
	$(BIN)/quarterhour up --detach

down: setup ## Stop the local stack
	$(BIN)/quarterhour down

demo: setup ## 90 days of a small platform through the real pipeline
	$(BIN)/python -m services.cli demo

test: setup ## Every test, in WORKERS (2) processes with parts of their own; WORKERS=0 where the environment names the parts
	$(BIN)/python -m pytest -q -n $(or $(WORKERS),2) --dist loadfile

test-long: setup ## The tests of properties with twenty times as many examples
	HYPOTHESIS_LONG=1 $(BIN)/python -m pytest -q --timeout 7200 tests/events tests/ingest tests/meters tests/query/test_periods.py tests/query/test_zones.py tests/query/test_fuzz.py tests/reference tests/spec

acceptance: setup ## FILE=events.jsonl[.zst] through the stack: as it is, shuffled and repeated, with a pause, with two processors
	$(BIN)/python -m tests.pipeline.acceptance $(FILE)

chaos: setup ## Kills, pauses, bad networks, full disks under load; what comes out is compared (tests/chaos/REPORT.md)
	$(BIN)/python -m tests.chaos

backlog: setup ## EVENTS (10000000) written before anybody works: memory and speed of each service (tests/chaos/BACKLOG.md)
	$(BIN)/python -m tests.chaos.backlog --events $(or $(EVENTS),10000000) --report tests/chaos/BACKLOG.md

bench: setup ## Every measurement; `python -m tests.bench --help` for one alone (tests/bench/RESULTS.md)
	$(BIN)/python -m tests.bench all

sim: setup ## The deterministic simulation: SEEDS worlds (10000), from seed FIRST (0) on (tests/simulation/REPORT.md)
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000) --first $(or $(FIRST),0) --report tests/simulation/REPORT.md

lint: setup ## ruff, and the direction of imports; the compiled twin's own
	$(BIN)/ruff check services tests
	$(BIN)/lint-imports
	@if command -v cargo >/dev/null; then cd services/native && cargo fmt --check && cargo clippy --quiet --target-dir ../../.native -- -D warnings && cargo test --quiet --target-dir ../../.native; fi

type: setup ## mypy, strictly
	$(BIN)/mypy services tests

schemas: setup ## Write schemas/ from the models
	$(BIN)/quarterhour schemas

fmt: setup ## Format the code
	$(BIN)/ruff format services tests
	@if command -v cargo >/dev/null; then cd services/native && cargo fmt; fi
