# `make help` says what there is. For GNU make from 3.81 (macOS) on.
#
# An environment's stamp carries a checksum of what it was made from. Times would not do: a deleted module, a
# switch of branches or an edit within the same second would leave a stale wheel to be tested.

PYTHON ?= python3
PYTEST_ARGS ?=

# Nothing of the caller's may shadow the installed package.
export PYTHONPATH :=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

FILES := pyproject.toml README.md LICENSE $(shell find cyborg_ingest -type f ! -path '*/.*' ! -name '*.pyc' | LC_ALL=C sort)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
SETUP := $(VERSION)-$(firstword $(shell cksum < pyproject.toml))
SOURCES := $(SETUP)-$(firstword $(shell cksum $(FILES) 2>/dev/null | cksum))

WHEEL_DIR := .build/$(SOURCES)
IN_TESTS := cd tests && CYBORG_INGEST_TEST_INSTALLED=1
# The tests wait more than they compute: three at once, the tests of a file in one process, with a service of its own.
AT_ONCE := -n 3 --dist loadfile
comma := ,

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint docs lowest newest mutants bench clean python

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready-$(SOURCES) ## load the sample data into an encrypted index on this machine and search it
	.venv/bin/python -I sample_data/demo.py

test: .venv-test/ready-$(SOURCES) ## build the wheel, install it and test it
	$(IN_TESTS) ../.venv-test/bin/python -I -m pytest -m 'not soak' $(AT_ONCE) $(PYTEST_ARGS)

soak: .venv-test/ready-$(SOURCES) ## the tests that take long
	$(IN_TESTS) ../.venv-test/bin/python -I -m pytest -m soak $(PYTEST_ARGS)

lowest: .venv-lowest/ready-$(SOURCES) ## the tests, with the oldest dependencies that pyproject.toml allows
	$(IN_TESTS) ../.venv-lowest/bin/python -I -m pytest -m 'not soak' $(AT_ONCE) $(PYTEST_ARGS)

newest: .venv-newest/ready-$(SOURCES) ## the tests, with the newest pre-releases of the dependencies
	$(IN_TESTS) ../.venv-newest/bin/python -I -m pytest -m 'not soak' $(AT_ONCE) $(PYTEST_ARGS)

lint: .venv-lint/ready-$(SETUP) ## ruff and mypy
	.venv-lint/bin/ruff check .
	.venv-lint/bin/ruff format --check .
	.venv-lint/bin/mypy --strict cyborg_ingest
	.venv-lint/bin/mypy tests

docs: .venv-docs/ready-$(SETUP) ## build the pages of docs/ as a site, in .site; links and anchors are checked
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

N ?= 300
SEED ?= 1
mutants: .venv-test/ready-$(SOURCES) ## change the modules that decide about rows, and see whether a test notices: N=300 SEED=1 ONLY=
	CYBORG_INGEST_TEST_INSTALLED=1 .venv-test/bin/python -E -s scripts/mutants.py -n $(N) --seed $(SEED) --only '$(ONLY)' $(MUTANTS_ARGS)

bench: .venv-test/ready-$(SOURCES) ## measure: some 30 minutes on a quiet machine, and 6 GB of disk
	.venv-test/bin/python -I benchmarks/data.py .bench
	for each in startup client rest embedded defaults; do .venv-test/bin/python benchmarks/$$each.py || exit 1; done

clean: ## remove all that was made here
	rm -rf .bench .build .mutants .site .venv .venv-test .venv-lowest .venv-newest .venv-lint .venv-docs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { echo \
	  "cyborg-ingest needs Python 3.10 or newer, '$(PYTHON)' is none. Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	  "'$(PYTHON)' cannot make environments. Install its venv module (on Debian: apt-get install python3-venv)" >&2; exit 1; }

# A new environment for another pyproject.toml or Python; for other sources only another wheel.
%/setup-$(SETUP): | python
	$(PYTHON) -m venv --clear $*
	touch $@

$(WHEEL_DIR)/built: | python
	rm -rf .build
	$(PYTHON) -m venv .build/venv
	.build/venv/bin/python -m pip wheel -q --no-deps --wheel-dir $(WHEEL_DIR) .
	touch $@

# The wheel of a new source has the version of the old one, so pip has to be told to replace it.
define install
rm -f $(@D)/ready-*
$(@D)/bin/python -m pip install -q --no-deps --force-reinstall $(WHEEL_DIR)/*.whl
$(@D)/bin/python -m pip install -q "`echo $(WHEEL_DIR)/*.whl`[$(1)]"
touch $@
endef

.venv/ready-$(SOURCES): .venv/setup-$(SETUP) $(WHEEL_DIR)/built
	$(call install,embedded)

.venv-test/ready-$(SOURCES): .venv-test/setup-$(SETUP) $(WHEEL_DIR)/built
	$(call install,embedded$(comma)test)

# uv, since pip cannot resolve to the oldest. Only the bounds of pyproject.toml itself are lowered, or raised to what
# is not released yet: how old or new the dependencies of dependencies may be is for those to say.
.venv-lowest/ready-$(SOURCES): RESOLVED := --resolution lowest-direct
.venv-newest/ready-$(SOURCES): RESOLVED := --prerelease allow
.venv-lowest/ready-$(SOURCES) .venv-newest/ready-$(SOURCES): %/ready-$(SOURCES): %/setup-$(SETUP) $(WHEEL_DIR)/built
	rm -f $(@D)/ready-*
	$(@D)/bin/python -m pip install -q uv
	$(@D)/bin/uv pip compile -q --no-deps --only-binary :all: $(RESOLVED) --extra embedded --extra hdf5 --extra metrics --extra report --extra state-uri \
	  --python $(@D)/bin/python -o $(@D)/resolved.txt pyproject.toml
	$(@D)/bin/uv pip install -q --python $(@D)/bin/python --only-binary :all: -c $(@D)/resolved.txt \
	  --reinstall-package cyborg-ingest "`echo $(WHEEL_DIR)/*.whl`[embedded,test]"
	touch $@

# Only what the package needs: the types of numpy are checked against, the package itself is read in place.
.venv-lint/ready-$(SETUP): .venv-lint/setup-$(SETUP)
	.venv-lint/bin/python -m pip install -q '.[lint]'
	.venv-lint/bin/python -m pip uninstall -q -y cyborg-ingest
	touch $@

.venv-docs/ready-$(SETUP): .venv-docs/setup-$(SETUP)
	.venv-docs/bin/python -m pip install -q '.[docs]'
	touch $@
