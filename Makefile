# Two commands for everybody:   make train    make test
# For developers:               make check    make slow    make bench    make format
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install train test check format lint types slow bench clean

help:
	@echo "make train   train PPO with continual backprop on Slippery Ant, about two minutes"
	@echo "make test    run the tests"
	@echo "make check   format, lint, types and tests: what CI runs"
	@echo "make slow    the long tests"
	@echo "make bench   speed of worlds and learners on this machine, for an otherwise idle one;"
	@echo "             SBX=<a Python with sbx-rl> measures SBX too"
	@echo "make clean   remove the virtual environment and build output, never runs/"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "everlearn needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(INSTALLED)

train: $(INSTALLED)
	$(BIN)/python scripts/train_ppo.py --stream everlearn/SlipperyAnt-v0:change_every=40000 \
		--methods continual-backprop:maturity=2000 --seed 0 --total-steps 190000 \
		--learning-rate 3e-4 --log-std-init -1 --max-grad-norm 0.5

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n auto --dist worksteal

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) test

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

slow: $(INSTALLED)
	$(BIN)/python -m pytest -q -m slow

bench: $(INSTALLED)
	$(BIN)/python scripts/benchmark.py worlds --output runs/benchmark_worlds.jsonl
	$(BIN)/python scripts/benchmark.py learner $(if $(SBX),--sbx-python $(SBX)) \
		--output runs/benchmark_learner.jsonl

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
