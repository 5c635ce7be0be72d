# `make` lists what there is. Nothing is needed beforehand but Python 3.11+ and make.
PYTHON ?= python3
ROWS ?= 1000000
BIN := .venv/bin
lock = $(BIN)/.lock-$(shell cat $(1) 2>/dev/null | cksum | tr -d ' ')
RUN_LOCK := $(call lock,requirements.txt)
DEV_LOCK := $(call lock,requirements.txt requirements-dev.txt)

.DEFAULT_GOAL := help
.PHONY: help run server dev test lint bench lock sbom clean

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: $(RUN_LOCK)  ## the main job on the sample data: history, first model, first days
	@$(BIN)/python -m flows demo

server: $(RUN_LOCK)  ## Prefect's server with its page, all deployments and a worker, until Ctrl-C
	@$(BIN)/python deployments/server.py

dev: $(DEV_LOCK)  ## the environment with all that tests, linters and benchmarks need

test: $(DEV_LOCK) lint  ## all tests and checks
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(DEV_LOCK)  ## ruff, mypy, import-linter, and a search for secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --baseline .secrets.baseline || test $$? -eq 3

bench: $(DEV_LOCK)  ## speed and memory beside bare scripts, in a few minutes; ROWS=10000000, PEERS="--kedro PYTHON"
	@$(BIN)/python -m benchmarks.run --rows $(ROWS)
	@$(BIN)/python -m benchmarks.peers $(PEERS)

lock:  ## compile requirements*.txt from pyproject.toml (needs uv)
	$(call compile) -o requirements.txt
	for group in mlflow dask ray dev; do \
	  $(call compile) --group $$group -c requirements.txt $${extra} -o requirements-$$group.txt; \
	  extra="$$extra -c requirements-$$group.txt"; \
	done

compile = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
    --custom-compile-command "make lock" pyproject.toml

sbom:  ## what an installation is made of, sbom.json in CycloneDX's form (needs pipx)
	pipx run --spec cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.txt \
	  --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json

clean:  ## remove the sample's state and caches; the environment stays
	rm -rf .dayloop .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The lock's hash is in the mark's name: a new lock installs, a new time stamp does not.
$(RUN_LOCK):
	@$(call install,requirements.txt)

$(DEV_LOCK):
	@$(call install,requirements-dev.txt)

# uv where it is there; pip, with the index that it is set up for, where uv is not or cannot.
define install
set -e; \
$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Dayloop needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12")'; \
test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
echo "installing $(1) (about a minute with pip, seconds with uv)"; \
{ command -v uv >/dev/null && uv pip install -q --python $(BIN)/python --require-hashes --no-deps -r $(1); } \
  || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $(1); \
rm -f $(BIN)/.lock-*; touch $(RUN_LOCK) $@
endef
