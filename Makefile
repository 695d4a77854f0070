# Everything a developer runs. `make demo` and `make test` need only Python 3.11 or newer and make.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The pinned set was resolved for 3.11, so that comes first; ensurepip is what Debian's python3-venv adds.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
PACKAGES := protos clients runtime feature_repo training streams serving deploy benchmarks tests

.DEFAULT_GOAL := help
.PHONY: help install docs demo drills soak capacity bench-quality bench-streams bench-serving test kafka fuzz chaos lint format protos generated requirements clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements.txt pyproject.toml clients/python/pyproject.toml
	@test -x $(BIN)/python || test -n "$(PYTHON)" || { \
		echo "Headwater needs Python 3.11 or newer with venv. On Debian or Ubuntu: apt-get install python3-venv; or: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "The Python in $(VENV) is older than 3.11, which Headwater needs: make clean, then make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e clients/python -e .
	@touch $@

install: $(STAMP) ## Create .venv with the pinned packages and the `headwater` command

demo: $(STAMP) ## MovieLens-100k through the whole system; the report lands in build/demo/
	$(BIN)/headwater demo

bench-quality: $(STAMP) ## Quality beside the peers; figures land in benchmarks/
	$(BIN)/python -c 'import lightgbm, river' 2>/dev/null || $(BIN)/python -m pip install --disable-pip-version-check -c requirements.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.quality $(SECTIONS)

bench-streams: $(STAMP) ## Rate and latency of the event path; needs redis-server; figures land in benchmarks/
	$(BIN)/python -m benchmarks.streams $(SECTIONS)

bench-serving: $(STAMP) ## Latency, capacity and pressure of the server; figures land in benchmarks/
	$(BIN)/python -m benchmarks.serving $(SECTIONS)

drills: $(STAMP) ## Break each part under load, or those in DRILLS; what it cost lands in benchmarks/
	$(BIN)/python -W ignore::DeprecationWarning -m benchmarks.drills $(DRILLS)

MINUTES ?= 60
soak: $(STAMP) ## An hour of load, or MINUTES of it, in which nothing may grow; the figures land in benchmarks/
	$(BIN)/python -W ignore::DeprecationWarning -m benchmarks.soak --minutes $(MINUTES)

capacity: $(STAMP) ## What a core and a gigabyte carry; writes docs/capacity.md
	$(BIN)/python -W ignore::DeprecationWarning -m benchmarks.capacity $(SECTIONS)

lint: $(STAMP) ## Style, types and the directions of imports
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## Lint, types, import contracts and every test but those of `make chaos` and `make kafka`
	$(BIN)/pytest -q -n 2 --dist loadscope --ignore tests/chaos --ignore tests/kafka --ignore tests/streams/test_liveness.py

KAFKA_TESTS ?= tests/kafka
ON_KAFKA ?= tests/streams tests/chaos
kafka: $(STAMP) ## KAFKA_TESTS on Apache Kafka, and ON_KAFKA, which also run on the embedded broker; skipped where KAFKA_HOME is not set
	@if $(BIN)/python -m tests.kafka --version; then set -ex; \
		$(BIN)/pytest -q -n 2 --dist loadscope $(KAFKA_TESTS); \
		test -z "$(ON_KAFKA)" || \
			$(BIN)/python -m tests.kafka $(BIN)/pytest -q -n0 $(ON_KAFKA) --ignore tests/streams/test_liveness.py; \
	else echo "make kafka: skipped"; fi

FUZZ_SECONDS ?= 600
fuzz: $(STAMP) ## Send the server any bytes that look like requests, for ten minutes or FUZZ_SECONDS
	HEADWATER_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest -q -n0 tests/serving/api/test_fuzz.py

chaos: $(STAMP) ## Kill, stop and restart the workers and the broker for two minutes a test, and compare every row and weight
	HEADWATER_CHAOS_SECONDS=$${HEADWATER_CHAOS_SECONDS:-120} HEADWATER_SOAK_SECONDS=$${HEADWATER_SOAK_SECONDS:-150} \
		$(BIN)/pytest -q -n0 tests/chaos tests/streams/test_liveness.py tests/deploy/drills/test_soak.py

format: $(STAMP) ## Rewrite the sources in house style
	$(BIN)/ruff check --fix $(PACKAGES)
	$(BIN)/ruff format $(PACKAGES)

protos: $(STAMP) ## Regenerate the code next to the .proto files
	$(BIN)/python -m deploy.contracts.generate

generated: $(STAMP) ## Write rules, dashboards and the generated documents from their sources
	$(BIN)/python -m deploy.prometheus
	$(BIN)/python -m deploy.grafana
	$(BIN)/python -m deploy.docs

docs: $(STAMP) ## Build the documentation site into build/docs
	$(BIN)/mkdocs build

requirements: ## Resolve pyproject.toml again into requirements.txt
	test -x build/uv/bin/uv || { $(PYTHON) -m venv build/uv && build/uv/bin/pip install --disable-pip-version-check -q uv; }
	build/uv/bin/uv pip compile pyproject.toml --extra dev --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-package headwater --no-emit-package headwater-client -q -o build/requirements.in
	sed -E -e '/^(nvidia-|cuda-|triton)/d' -e 's/^(torch==[^+]+)\+.*/\1/' build/requirements.in > requirements.txt

clean: ## Remove what runs and builds leave, .venv too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) -name __pycache__ -type d -prune -exec rm -rf {} +
