# Thin lines over `python -m benchmarks`; `make help` lists them. Values go through as --name=value.

PYTHON ?= python3
unexport PYTHONSAFEPATH # with it, Python would not look for modules here
RUN := .venv/bin/python -m benchmarks
quoted = '$(subst ','\'',$(1))'
option = $(if $(filter-out undefined,$(origin $(1))),--$(2)=$(call quoted,$($(1))))
flag = $(if $(filter-out 0,$($(1))),--$(2))
# A command gets what it takes, be it from the environment, and all that is typed: it says so of what it does not take.
OPTIONS = DATA=data PACK=pack PROFILE=profile VARIANT=variant SEEDS=seeds DEVICES=devices NODES=nodes ARGS=args \
	CHECKPOINT=checkpoint WEIGHTS=weights PREDICTIONS=predictions GPU=gpu PRICE=price
FLAGS = FRESH=fresh REHEARSE=rehearse
pair = $(subst =, ,$(1))
as = $(foreach each,$(filter $(addsuffix =%,$(3) $(typed)),$(2)),$(call $(1),$(word 1,$(call pair,$(each))),$(word 2,$(call pair,$(each)))))
given = $(call as,option,$(OPTIONS),$(1)) $(call as,flag,$(FLAGS),$(1))

typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
known = $(foreach each,$(OPTIONS) $(FLAGS),$(word 1,$(call pair,$(each)))) UPGRADE PYTHON SHELL MAKEFLAGS CC CXX
unknown = $(filter-out $(known) -%,$(typed))
$(if $(unknown),$(error make knows no $(unknown); `make help` lists what it takes))

COMMON = DATA PROFILE VARIANT DEVICES NODES ARGS
TRAINING = $(COMMON) SEEDS FRESH REHEARSE
PLANNING = $(COMMON) SEEDS

.DEFAULT_GOAL := help
.PHONY: help install as-installed peers lock reproduce doctor plan tables report verify bench-imagenet test test-slow test-all check

help:
	@echo "make reproduce                every benchmark in miniature, then tables and report: start here"
	@echo "make reproduce-<benchmark>    one benchmark; DATA=/path: the full recipe on real data (robots, Go, cars need none)"
	@echo "                              PROFILE=full|mini VARIANT= DEVICES=8 NODES=2 SEEDS=0,1,2 ARGS=\"--trainer.max_epochs 5\""
	@echo "                              REHEARSE=1 (20 steps first) FRESH=1 (run again although finished)"
	@echo "make validate-<benchmark>     score CHECKPOINT=run.ckpt, WEIGHTS=<published name> or PREDICTIONS=<file or folder>"
	@echo "make watch-<benchmark>        animates CHECKPOINT=run.ckpt as gait.gif (robots) or drive.gif (cars)"
	@echo "make play-go                  CHECKPOINT=run.ckpt plays Go over GTP: in Sabaki, in GoGui, against another engine"
	@echo "make data-<benchmark>         says what to put where under DATA=/path; verifies and unpacks it"
	@echo "                              imagenet: PACK=/packed rewrites DATA as a few large files, for network file systems"
	@echo "make doctor                   what this machine can run and why not; DATA=/path DEVICES=8, or make doctor-<b>"
	@echo "make plan                     hours, memory, disk and cost of full runs; DATA=/path DEVICES=8 GPU=H200 PRICE=3.5, or make plan-<b>"
	@echo "make bench-imagenet           input speed, compared with torchvision and DALI; DATA=/path uses its images"
	@echo "make tables                   results/tables/ from the records alone"
	@echo "make report                   results/report.html: one page with plots, from records and their sheets"
	@echo "make verify                   scores every record again from stored files, also with third-party tools"
	@echo "make test | test-slow         the tests | the long ones; make test-all for both"
	@echo "make check                    lint, types and make test"
	@echo "make peers                    installs what speeds are compared with, and rliable for make verify; no run needs it"
	@echo "make lock                     writes both lock files, from pyproject.toml and requirements-peers.in (UPGRADE=1: newest)"
	@echo "benchmarks: $(notdir $(patsubst %/claim.yaml,%,$(wildcard benchmarks/*/claim.yaml)))"

# uv installs the rest in seconds; its own hashes stand in the lock too.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14) and "Python 3.11 to 3.14 is needed: make PYTHON=python3.11")'
	@echo "installing the pinned packages into .venv (once)"
	@$(PYTHON) -m venv .venv
	@awk '/^[a-z]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.txt
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.txt
	@.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock
	@touch $@

install: .venv/installed

# What only reads leaves installed packages alone, as a run may be using them.
as-installed: $(if $(wildcard .venv/installed),,install)
	@test ! requirements.lock -nt .venv/installed || echo "note: .venv is older than requirements.lock; make install brings it up to date, once no run is using it" >&2

# What speed and estimates are compared with, and rliable for `make verify`; no run needs it.
.venv-peers/installed: requirements-peers.lock .venv/installed
	@.venv/bin/python -m venv --without-pip .venv-peers
	@.venv/bin/uv pip sync --quiet --compile-bytecode --python .venv-peers/bin/python --require-hashes requirements-peers.lock
	@touch $@

peers: .venv-peers/installed

# uv keeps the versions of a lock that still suit.
LOCK = .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
	--python-version 3.11 $(call flag,UPGRADE,upgrade)

lock: install
	@$(LOCK) --group dev pyproject.toml --output-file requirements.lock
	@$(LOCK) requirements-peers.in --output-file requirements-peers.lock

reproduce: install
	@$(RUN) reproduce $(call given,$(TRAINING))

reproduce-%: install
	@$(RUN) reproduce $* $(call given,$(TRAINING))

validate-%: install
	@$(RUN) validate $* $(call given,$(COMMON) CHECKPOINT WEIGHTS PREDICTIONS)

watch-%: as-installed
	@$(RUN) watch $* $(call given,CHECKPOINT)

play-%: as-installed
	@$(RUN) play $* $(call given,CHECKPOINT)

data-%: install
	@$(RUN) data $* $(call given,DATA PACK)

bench-imagenet: install
	@$(RUN).speed.imagenet $(call given,DATA)

plan: install
	@$(RUN) plan $(call given,$(PLANNING))

plan-%: install
	@$(RUN) plan $* $(call given,$(PLANNING))

tables: as-installed
	@$(RUN) tables $(call given)

report: as-installed
	@$(RUN) report $(call given)

doctor: as-installed
	@$(RUN) doctor $(call given,DATA DEVICES)

doctor-%: as-installed
	@$(RUN) doctor $* $(call given,DATA DEVICES)

verify: as-installed
	@$(RUN) verify $(call given)

test: install
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: peers
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

test-all:
	$(MAKE) test
	$(MAKE) test-slow

check: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy benchmarks datamodules lightning_modules results
	$(MAKE) test
