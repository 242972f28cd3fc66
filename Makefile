# Every target sets up what it needs. Usual calls: make site, make serve, make test.
# Variables: PYTHON=python3.12  PIP_ARGS="..."  UV= (do without uv)  FILE=docs/...md  NAME=...  WHOLE=1 (tests nothing by sample)
SHELL := /bin/bash
.DEFAULT_GOAL := site
.PHONY: site serve offline epub pdf test test-engine test-page test-deep coverage bench bench-site gpu check sync chapter op lint font links publish-notebooks report-failure clean help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# The newest that really starts: a version manager's shim may exist without its Python.
PYTHON ?= $(shell for v in 3.14 3.13 3.12 3.11; do python$$v -c '' 2>/dev/null && { echo python$$v; break; }; done)
ifeq ($(PYTHON),)
PYTHON := python3
endif
# VERSIONS=oldest, newest, coming or colab sets up with these instead of the tested ones; the weekly run does.
CONSTRAINTS := $(if $(VERSIONS),.ci/versions/$(VERSIONS).txt,constraints.txt)
PRE := $(if $(filter coming,$(VERSIONS)),--pre)
# Written last, so that a half-made environment is rebuilt; named after what it was made from.
KEY := $(shell cat pyproject.toml src/bookbinder/pyproject.toml $(CONSTRAINTS) | cksum | cut -d' ' -f1)
STAMP := $(VENV)/made-$(KEY)
export NO_MKDOCS_2_WARNING := 1

FITS = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
# uv, where it is installed, takes the build of PyTorch that fits this machine, and brings a Python if none fits.
UV ?= $(shell command -v uv)
ifeq ($(strip $(UV)),)
NEW_VENV = $(PYTHON) -m venv $(VENV)
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check
else
NEW_VENV = $(UV) venv --quiet --seed --python $$($(FITS) && echo $(PYTHON) || echo 3.13) $(VENV)
INSTALL = $(UV) pip install --python $(BIN)/python --torch-backend=auto
endif

$(STAMP):
ifeq ($(strip $(UV)),)
	@$(FITS) || { echo "make: $(PYTHON) is missing or below 3.11: install Python 3.11 or newer, or call make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) has no venv: install it (Debian, Ubuntu: sudo apt install python3-venv)"; exit 1; }
	@echo "make: no uv here, so pip installs; on Linux it may take PyTorch's large build for GPUs, see README.md"
endif
	@rm -rf $(VENV)
	@$(NEW_VENV)
	@echo "Setting up $(VENV) with $$($(BIN)/python --version) (once; the packages are a large download, see README.md)"
	@$(INSTALL) $(PIP_ARGS) $(PRE) -c $(CONSTRAINTS) hatchling editables
	@$(INSTALL) $(PIP_ARGS) $(PRE) -c $(CONSTRAINTS) --no-build-isolation -e '.[torch,book,site,test]' -e src/bookbinder
	@touch $@

site: $(STAMP)  ## run what is stale and build the book into site/
	@echo "Building the book into site/"
	@$(BIN)/mkdocs build --strict

serve: $(STAMP)  ## the same, live: an edit builds its page alone
	@$(BIN)/mkdocs serve --dirty

offline: site  ## the whole book as one file to read without a network, and the site's link to it
	@$(BIN)/python -m bookbinder offline site

epub: site  ## the whole book as an e-book, and the site's link to it
	@$(BIN)/python -m bookbinder epub site

pdf: site  ## make pdf PART=depth: a part of the book as one PDF in dist/, printed by Chromium
	@test -n "$(PART)" || { echo "make pdf PART=depth: which part? its folder in docs/"; exit 1; }
	@$(BIN)/python -m bookbinder pdf site $(PART)

test: site  ## the whole suite, every code block included
	@echo "Testing: package, binder, every code block, and the built site"
	@$(BIN)/python -m pytest -n auto -m 'not deep' -rsR --rerun-show-tracebacks $(ARGS)

test-engine: $(STAMP)  ## the engine's tests alone, without the book: make test-engine ARGS="-k log1p"
	@$(BIN)/python -m pytest -n auto -m 'not deep' tests/chainrule $(ARGS)

# learning/losses of docs/learning/losses.md, start of docs/start/index.md: what the tests call a page.
PAGE = $(patsubst %/index,%,$(basename $(FILE:docs/%=%)))
test-page: site  ## make test-page FILE=docs/part/chapter.md: all tests of one page, the slow ones too
	@test -f "$(FILE)" || { echo "make test-page FILE=docs/part/chapter.md: there is no $(FILE)"; exit 1; }
	@WHOLE=1 $(BIN)/python -m pytest -n auto -m '' -rsR tests/bookbinder tests/site -k "$(FILE) or /$(PAGE)/] or [$(PAGE)] or [$(notdir $(PAGE))]" $(ARGS)

coverage: site  ## how much of both packages the tests run, by branches; fails below what pyproject.toml asks
	@$(BIN)/python -m pytest -n auto -m 'not deep' tests/chainrule tests/bookbinder tests/project --cov --cov-report= $(ARGS); \
	failed=$$?; for package in chainrule bookbinder; do $(BIN)/coverage report --include="src/$$package/*" || failed=1; done; exit $$failed

test-deep: site  ## slow end-to-end proofs
	@echo "Testing deeply: end-to-end faults, other environments, other generators"
	@# In the files' order, browsers last: a process that has driven one has an event loop, in which no chapter can run.
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m deep -rsR --rerun-show-tracebacks $(ARGS)

check: $(STAMP)  ## make check FILE=docs/part/chapter.md: check and run one page
	@$(BIN)/python -m bookbinder check --run $(FILE)

sync: $(STAMP)  ## write package source into the chapters that show it
	@$(BIN)/python -m bookbinder sync

chapter: $(STAMP)  ## make chapter NAME=part/name: a new chapter that passes, in the nav
	@$(BIN)/python -m bookbinder new $(NAME)

op: $(STAMP)  ## make op NAME=log1p: an op with its test rows, which fail until they are filled
	@$(BIN)/python -m bookbinder.op $(NAME)

bench: $(STAMP)  ## measure engine (beside other engines, where they can be installed), parity, the ladder and build; keep the records
	@test -x .cache/bench/bin/pip || $(PYTHON) -m venv .cache/bench
	@grep -o '^[a-z].*' bench/requirements.txt | while read -r peer; do .cache/bench/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt $$peer || echo "bench: without $$peer"; done
	@$(BIN)/python -m bench build engine parity ladder --record $(ARGS)

bench-site: site  ## weigh every page, and ask Lighthouse
	@$(BIN)/python -m bench site --lighthouse

gpu: $(STAMP)  ## measure on the CUDA or MPS device there is, and keep the record
	@$(BIN)/python -m bench.gpu --record

font: $(STAMP)  ## cut the math font anew from the package that carries STIX Two Math
	@$(BIN)/pip download --quiet --disable-pip-version-check $(PIP_ARGS) --no-deps --only-binary :all: -d .cache/font ziamath==0.13
	@$(BIN)/python tools/mathfont.py .cache/font/ziamath-0.13-*.whl docs/assets/fonts/course-math.woff2

lint: $(STAMP)
	@$(BIN)/ruff check src tests bench && $(BIN)/ruff format --check --exclude nasty src tests bench && $(BIN)/codespell -L multline,gage --skip '*.txt,*.svg,*.woff2' docs src README.md

links: site  ## look whether links to other sites still lead somewhere (weekly, not in the build)
	@$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c $(CONSTRAINTS) linkchecker
	@$(BIN)/linkchecker --no-status --check-extern --no-warnings --ignore-url '/404\.html$$' site/index.html  # its links begin at the root of a host

publish-notebooks:  # in the workflow that publishes
	@.ci/publish-notebooks

report-failure:  # in the weekly workflow
	@gh issue create --title "The weekly run failed" --body "What people have by now and the book no longer agree: $(RUN_URL)"

clean:  ## remove what make made
	rm -rf $(VENV) site .cache docs/assets/figures dist

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/ — /'
