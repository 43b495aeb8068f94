# What you can do here; `make` alone prints this list. Needs only make and Python 3.11 or newer.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install everything into .venv (every other target does this first)
	@scripts/setup

.PHONY: demo
demo: setup ## Run one Deep Research question from start to report, offline unless GEMINI_API_KEY is set
	@$(BIN)/longhaul demo

.PHONY: dev
dev: setup ## Start Temporal with its UI, the API emulator and a worker; Ctrl-C ends all
	@$(BIN)/longhaul dev

# Two processes: a test that starts servers needs a core of its own. One file stays in one process, so that
# its tests share one server; in the order of the folders, which begins with the long ones.
.PHONY: test
test: setup ## Run all tests, with line and branch coverage
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-branch --cov-report=term:skip-covered $(ARGS)

.PHONY: chaos
chaos: setup ## Crashes, outages and faults for 20 minutes; count what was paid twice or lost (SEED=1 repeats)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: check
check: setup ## Lint, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: lock
lock: setup ## Pin the dependencies in pyproject.toml anew, keeping the pins that still fit
	@$(LOCK) pyproject.toml -o requirements/runtime.txt
	@$(LOCK) -c requirements/runtime.txt --group dev pyproject.toml -o requirements/dev.txt
	@$(LOCK) -c requirements/dev.txt --group build -o requirements/build.txt

.PHONY: clean
clean: ## Remove .venv, caches and .longhaul (reports of demos included)
	@rm -rf .venv .longhaul .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
