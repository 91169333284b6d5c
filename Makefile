# make serve: the portal on this machine, with demonstration data, bank and mailbox.
# make test:  every test.   make lint: format, lint, types, imports.   make check: both, and coverage.
# make bench: the figures.
# make faults: the fault tests in their long form (docs/faults.md), some tens of minutes.

PYTHON ?= python3
PORT ?= 6543
VAR ?= $(CURDIR)/var

export PORT
export VAR := $(abspath $(VAR))
export PORTAL_PORT := $(PORT)
export BANK_PORT := $(shell expr $(PORT) + 1)
export MAILBOX_PORT := $(shell expr $(PORT) + 2)
export SMTP_PORT := $(shell expr $(PORT) + 3)
# Pyramid and deform import pkg_resources, which warns at every start.
export PYTHONWARNINGS := ignore:pkg_resources is deprecated as an API:UserWarning
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := .venv/bin
# Each file of tests goes whole to one of a few processes, and files one after the other, so that what its tests and
# those of its folder share is made once.
# One that ends for a test that hangs is not started again, or the test would be.
PYTEST := -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

.PHONY: serve test lint check bench faults debian install-debian

serve: .venv/for-demo
	@$(BIN)/python -m sevres_familles.sandbox.ports $(PORT) $(BANK_PORT) $(MAILBOX_PORT) $(SMTP_PORT)
	@mkdir -p -m 700 $(VAR)
	@$(BIN)/sevres-init development.ini
	@test -e $(VAR)/demo-loaded || $(MAKE) --no-print-directory demo-data
	@printf '\n  Espace familles : http://localhost:%s\n  Comptes de démonstration : README.md, « The accounts »\n' $(PORT)
	@printf '  Banque : http://127.0.0.1:%s/banque   Courriels reçus : http://127.0.0.1:%s/\n\n' $(BANK_PORT) $(MAILBOX_PORT)
	@exec $(BIN)/honcho start

.PHONY: demo-data
demo-data:
	@$(BIN)/sevres-demo $(VAR)/demo
	@$(BIN)/sevres-import development.ini $(VAR)/demo/*.csv
	@$(BIN)/sevres-demo --accounts development.ini
	@touch $(VAR)/demo-loaded

test: .venv/for-tests debian
	$(BIN)/python $(PYTEST)

lint: .venv/for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Measuring coverage makes the tests half as long again, and fails nothing: CI does without.
check: lint debian
	$(BIN)/coverage erase
	$(BIN)/coverage run $(PYTEST)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

bench: .venv/for-tests
	$(BIN)/python -m benchmarks

# What lacks fails here, as in CI, and a test may last an hour before it is ended.
faults: .venv/for-tests debian
	CI=true FAULTS=long $(BIN)/python -m pytest -o faulthandler_timeout=3600 tests/faults

# The programs of Debian's that tests run beside Python.  Tests that lack one say so, and fail in CI.
DEBIAN := chromium nginx-light postgresql strace age git systemd fonts-dejavu-core fonts-liberation
debian:
	@{ for each in chromium nginx strace age git systemd-analyze; do command -v $$each || exit 1; done && \
	ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 || \
	$(MAKE) --no-print-directory install-debian || \
	printf '\n  ATTENTION : il manque un de ces paquets de Debian, des essais ne seront pas faits :\n  %s\n\n' "$(DEBIAN)"

install-debian:
	@test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN)

# Every wheel by its hash (requirements/, made by `make lock`): what a registry serves otherwise is refused.  What has no
# wheel is built by the setuptools of requirements/build.txt, without a look at any registry.
INSTALL := $(BIN)/pip install -q --no-build-isolation

.venv/for-demo: setup.py requirements/demo.txt | .venv/made
	$(INSTALL) --require-hashes -r requirements/demo.txt
	$(INSTALL) --no-deps -e .
	@touch $@

.venv/for-tests: setup.py requirements/test.txt | .venv/made
	$(INSTALL) --require-hashes -r requirements/test.txt
	$(INSTALL) --no-deps -e .
	@touch $@ .venv/for-demo

.venv/made: requirements/build.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --require-hashes -r requirements/build.txt
	@touch $@

# constraints.txt says which version of each library; after a change of it, or of setup.py, this writes the hashes.
TOOLS := .venv/tools/bin
COMPILE = $(TOOLS)/uv pip compile -q --no-config --generate-hashes --no-annotate --no-header --python $(BIN)/python
lock: .venv/for-lock
	echo setuptools | $(COMPILE) -c constraints.txt -o requirements/build.txt -
	$(COMPILE) -c constraints.txt -o requirements/run.txt setup.py
	$(COMPILE) -c constraints.txt --extra demo -o requirements/demo.txt setup.py
	$(COMPILE) -c constraints.txt --extra test -o requirements/test.txt setup.py

# The tools themselves, at the newest versions that exist.
lock-tools: .venv/for-lock
	$(COMPILE) --upgrade -o requirements/tools.txt requirements/tools.in

# What a portal is made of, for those who run it: CycloneDX, of an environment that has what it runs on and nothing else.
sbom: .venv/for-lock
	rm -rf .venv/run && $(PYTHON) -m venv --without-pip .venv/run
	$(BIN)/pip --python .venv/run/bin/python install -q --require-hashes -r requirements/build.txt
	$(BIN)/pip --python .venv/run/bin/python install -q --no-build-isolation --require-hashes -r requirements/run.txt
	$(BIN)/pip --python .venv/run/bin/python install -q --no-build-isolation --no-deps .
	@mkdir -p dist
	$(TOOLS)/cyclonedx-py environment --output-reproducible -o dist/sbom.cdx.json .venv/run/bin/python

# Known weaknesses of every library, by PyPI's database.  What it did not look up, or could not, fails it.
audit: .venv/for-lock
	$(BIN)/python .ci/audit.py $(TOOLS)/pip-audit requirements/test.txt requirements/tools.txt

.venv/for-lock: requirements/tools.txt | .venv/made
	$(PYTHON) -m venv .venv/tools
	$(TOOLS)/pip install -q --require-hashes -r requirements/tools.txt
	@touch $@
