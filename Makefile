# make setup | build | test | lint | demo [QUICK=1] | bench-rtc [QUICK=1 | FULL=1] | bench-guidance | bench-rtc-ros | bench-takeover
#      bench-control [FIFO=1] | bench-dagger [QUICK=1] | bench-gains [QUICK=1] | bench-policies [QUICK=1 | FULL=1] | bench-encoders [QUICK=1 | FULL=1]
#      bench-lerobot | bench-record | bench-convert [LEROBOT_PYTHON=PATH] | fuzz [MINUTES=N] | clean
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup build test lint format demo bench-rtc bench-guidance bench-rtc-ros bench-takeover bench-control bench-dagger bench-gains bench-policies bench-encoders bench-lerobot bench-record bench-convert fuzz clean

ENV := . ./env.sh
PYTHON_SOURCES := src test tools benchmarks
CPP_SOURCES := $(shell git ls-files '*.cpp' '*.hpp' 2>/dev/null)

help:
	@echo "make demo [QUICK=1]  collect, train, roll out and report (out/demo/report.html)"
	@echo "make test            lint, types, unit, conformance, node and whole-graph tests"
	@echo "make bench-rtc       strategies of chunking under delay (out/bench/rtc.json); QUICK=1: smoke run, FULL=1: everything"
	@echo "make bench-guidance  what guidance costs per chunk (out/bench/guidance.json)"
	@echo "make bench-rtc-ros   what the two nodes add to a cycle, beside a bare echo pair (out/bench/rtc_ros.json)"
	@echo "make bench-takeover  from the button to the first human row in force (out/bench/takeover.json)"
	@echo "make bench-control   what one update of the controller takes, and what it allocates (out/bench/control.json); FIFO=1: at real-time priority"
	@echo "make bench-dagger    behaviour cloning, batch DAgger and DAgger at equal expert rows; QUICK=1: smoke run"
	@echo "make bench-gains     demonstrations, policies and tracking by preset of the gains (out/bench/gains.json); QUICK=1: smoke run"
	@echo "make bench-policies  every action head on the same tasks (out/bench/policies.json); QUICK=1: smoke run, FULL=1: everything, COMPILE=1: compiled too"
	@echo "make bench-encoders  what a policy sees, by number of demonstrations (out/bench/encoders.json); QUICK=1: smoke run, FULL=1: everything"
	@echo "make bench-lerobot   imported policies beside LeRobot's own, in LEROBOT_PYTHON=PATH (out/bench/lerobot.json); QUICK=1"
	@echo "make bench-record    the recorder under load: losses, cost, what a killed one loses"
	@echo "make bench-convert   LeRobot data sets: LEROBOT_PYTHON=PATH measures LeRobot's own path beside ours"
	@echo "make fuzz            bags of changed, cut and invented bytes, for MINUTES=10"
	@echo "make setup           install what is missing into the checkout and build it"
	@echo "make format          format all sources"
	@echo "make clean           remove build, install, log and out (keeps .venv)"

setup build:
	@tools/setup.sh

test: setup lint
	@$(ENV); python tools/isolated.py python -m pytest src test

lint: setup
	@$(ENV); ruff check $(PYTHON_SOURCES); ruff format --check -q $(PYTHON_SOURCES)
	@$(ENV); tools/typecheck.sh
	@$(ENV); clang-format --dry-run -Werror $(CPP_SOURCES)
	@echo "lint: clean"

format:
	@$(ENV); ruff check -q --fix $(PYTHON_SOURCES); ruff format -q $(PYTHON_SOURCES); clang-format -i $(CPP_SOURCES)

demo: setup
	@$(ENV); exec bcros demo $(if $(QUICK),--quick)

bench-rtc: setup
	@$(ENV); exec python -m benchmarks.rtc --level $(if $(QUICK),quick,$(if $(FULL),full,gate))

bench-guidance: setup
	@$(ENV); exec python -m benchmarks.guidance $(if $(COMPILE),--compile)

bench-rtc-ros: setup
	@$(ENV); exec python tools/isolated.py python -m benchmarks.rtc_ros

bench-takeover: setup
	@$(ENV); exec python tools/isolated.py python -m benchmarks.takeover

bench-control: setup
	@$(ENV); exec python -m benchmarks.control $(if $(FIFO),--fifo)

bench-dagger: setup
	@$(ENV); exec python -m benchmarks.dagger $(if $(QUICK),--quick,--publish)

bench-gains: setup
	@$(ENV); exec python -m benchmarks.gains $(if $(QUICK),--level quick,--publish)

bench-policies: setup
	@$(ENV); exec python -m benchmarks.policies --latency $(if $(COMPILE),--compile) --level $(if $(QUICK),quick,$(if $(FULL),full,gate))

bench-encoders: setup
	@$(ENV); exec python -m benchmarks.encoders --level $(if $(QUICK),quick,$(if $(FULL),full,gate))

fuzz: setup
	@$(ENV); export BC_FUZZ_EXAMPLES=$(or $(EXAMPLES),1000); python -m pytest -q src/bc_core/test/bags/test_repair.py; \
	  end=$$((SECONDS + 60 * $(or $(MINUTES),10))); \
	  while [ $$SECONDS -lt $$end ]; do python -m pytest -q src/bc_core/test/bags/test_fuzz.py; done

bench-record: setup
	@$(ENV); exec python -m benchmarks.record

bench-lerobot: setup
	@$(ENV); exec python -m benchmarks.lerobot $(if $(LEROBOT_PYTHON),--lerobot-python $(LEROBOT_PYTHON)) $(if $(QUICK),--quick,--publish)

bench-convert: setup
	@$(ENV); exec python -m benchmarks.convert $(if $(LEROBOT_PYTHON),--lerobot-python $(LEROBOT_PYTHON))

clean:
	rm -rf build install log out
