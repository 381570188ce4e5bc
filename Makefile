# Everything a newcomer needs is `make run` and `make test`; both do their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
UNIT := tests/core tests/bot tests/test_house.py tests/channels/test_render.py tests/channels/test_telegram_render.py tests/channels/test_slack_render.py

unexport PYTHONDONTWRITEBYTECODE  # what pytest rewrites once is kept for the next run

.PHONY: run test test-stripe check lint install lock bench drills clean help

help:
	@echo "make run      start the demo on http://127.0.0.1:$(PORT)  (sets everything up first)"
	@echo "make test     the whole test suite                      (sets everything up first)"
	@echo "make install  everything for development into $(VENV)"
	@echo "make lint     lint, types and import contracts alone"
	@echo "make check    lint, types, import contracts and the unit tests, in about a minute"
	@echo "make test-stripe   the adapter against Stripe's test mode (set TRAVELOURE_STRIPE_TEST_KEY=sk_test_...)"
	@echo "make bench    the benchmarks;   make drills   the crash, race and attack runs"

run: $(VENV)/.runtime
	@$(BIN)/traveloure demo --port $(PORT)

test: $(VENV)/.dev
	@$(BIN)/python -m tests.setup_machine
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-stripe: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -m stripe_live tests/live $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/deptry . --no-ansi

check: lint
	@$(BIN)/python -m pytest -q -n 2 -m "not slow and not browser and not postgresql" $(UNIT) $(ARGS)

install: $(VENV)/.dev

$(VENV)/.runtime: requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(PYTHON)" runtime

$(VENV)/.dev: requirements-dev.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(PYTHON)" dev

lock: install
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock -q
	@$(BIN)/uv pip compile pyproject.toml --group build --group dev --universal --python-version 3.11 --generate-hashes --no-header -c requirements.lock -o requirements-dev.lock -q

bench: $(VENV)/.dev
	@for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

drills: $(VENV)/.dev
	@for script in drills/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
