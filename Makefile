# Every target does its own set-up; a machine needs make and Python 3.11 or newer (another one: make PYTHON=python3.12 …).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A test waits for its server about as often as it computes.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))
PIP_OPTIONS := --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := install
.PHONY: install demo test lint bench clean

install: $(INSTALLED)  ## .venv with holdfast, editable, and all that development needs

demo: $(INSTALLED)  ## the incident, replayed on an embedded PostgreSQL, and undone
	@$(BIN)/holdfast demo

# Some hundred interpreters are started, and without its bytecode each would compile holdfast anew.
# Lint needs one processor for long, so it runs beside the tests; what it says comes when it is done, and again at the
# end if it found something.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(INSTALLED)  ## lint and every test, side by side; the last lines say what was not tested
	@found=$$(mktemp); trap 'rm -f "$$found"' EXIT; \
	{ $(MAKE) --no-print-directory lint >"$$found" 2>&1; linted=$$?; cat "$$found"; exit $$linted; } & linting=$$!; \
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal; tested=$$?; \
	wait $$linting || { cat "$$found"; echo "make lint failed" >&2; exit 1; }; \
	exit $$tested

lint: $(INSTALLED)  ## style, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(INSTALLED)  ## what protection costs
	@$(BIN)/python -m bench

clean:  ## removes .venv and every cache
	rm -rf $(VENV) .bench build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "holdfast needs Python 3.11 or newer, not %d.%d: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) \
		|| { echo "Python's venv module is incomplete; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install $(PIP_OPTIONS) --no-compile --constraint constraints.txt --editable '.[dev]'
	@# pip compiles one file after the other. Some packages bring files for other Pythons, which do not compile.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@
