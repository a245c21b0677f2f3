# `make` lists the targets. Everything is installed into .venv/ in this checkout.

PYTHON ?= python3
ARGS ?=
DEV := .venv/dev/bin/python
# Two to four processes; all tests of a file run in one.
PYTEST = -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
REST = slow or tensorflow or docker or browser
# With TensorFlow, which .venv/dev has, a small training is tested too.
TEST := $(if $(wildcard .venv/dev/made-from),.venv/dev,.venv/test)

LOCKS := $(addprefix requirements/,$(addsuffix .txt,dev test serve serve-cuda train train-cuda))

.DEFAULT_GOAL := help
.PHONY: help serve test test-all test-rest coverage train measure bench hardening lint tables lock compose-test sbom gpu-tests swarm clean python FORCE

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "PYTHON=python3.12 chooses the interpreter; ARGS=... goes to the command that the target runs."

serve: .venv/serve  ## serve the newest model on port 8000; DIGITS_* variables set it up
	exec .venv/serve/bin/python -m service $(ARGS)

test: $(TEST)  ## run the tests that need no TensorFlow, Docker or browser: four minutes; ARGS="tests/service -x" picks some
	$(TEST)/bin/python $(PYTEST) -m "not ($(REST) or timed or gpu)" $(ARGS)

test-all: test test-rest  ## run all tests: also training, Docker, browser, slow and hostile clients; 20 minutes

test-rest: .venv/dev  ## run what `make test` leaves out
	$(DEV) $(PYTEST) -m "($(REST)) and not timed" $(ARGS)
	$(DEV) -m pytest -m timed $(ARGS)

coverage: .venv/test  ## measure line and branch coverage of service/ by `make test`
	rm -f .venv/coverage*
	.venv/test/bin/python -m coverage run $(PYTEST) -m "not (slow or timed)" tests/service tests/contract $(ARGS)
	.venv/test/bin/python -m coverage combine --quiet
	.venv/test/bin/python -m coverage report

train: .venv/dev  ## train and publish the next version, such as ARGS="--data DIR --epochs 5"
	$(DEV) -m training $(ARGS)

measure: .venv/dev  ## measure on pictures as people send them, such as ARGS="--data DIR --short"
	$(DEV) -m benchmarks.pictures $(ARGS)

bench: .venv/dev  ## compare with other servers, with wrk; ARGS=--short tests this one alone
	$(DEV) -m benchmarks.serving $(ARGS)

hardening: .venv/dev  ## try load, faults and hostile input on a fresh service: ARGS="--short --rows 3,4,8"
	$(DEV) -m benchmarks.hardening $(ARGS)

lint: .venv/dev  ## check style, formatting and types
	$(DEV) -m ruff check .
	$(DEV) -m ruff format --check .
	$(DEV) -m mypy

tables: .venv/dev  ## generate docs/reference.md from the code
	$(DEV) -m tests.reference

compose-test: .venv/dev  ## build both images and test the Compose deployment; with MNIST_DIR=DIR also retraining
	$(DEV) -m pytest tests/test_compose.py tests/test_monitoring.py $(ARGS)

sbom: python  ## write a bill of materials (CycloneDX) for each image into build/sbom/
	@mkdir -p build/sbom
	@for lock in serve serve-cuda train train-cuda; do \
	    $(PYTHON) -m benchmarks.hardening.sbom requirements/$$lock.txt >build/sbom/$$lock.cdx.json || exit 1; done

gpu-tests: .venv/serve-gpu .venv/train-gpu  ## compare serving and training on a GPU with the CPU; MNIST_DIR=DIR uses all digits
	.venv/serve-gpu/bin/python -m pytest tests/gpu/test_serving.py $(ARGS)
	.venv/train-gpu/bin/python -m pytest tests/gpu/test_training.py $(ARGS)

swarm: .venv/dev  ## deploy, update and break the stack on a swarm of three Docker engines; as root, ten minutes
	$(DEV) -m benchmarks.swarm

lock: .venv/dev $(LOCKS)  ## update requirements/ to pyproject.toml; ARGS=--upgrade takes the newest allowed versions
	@! grep -nE 'https?://|file:|^[./-]' $(LOCKS) || { echo "make: a lock contains an address or a path"; exit 1; }

clean:  ## remove environments and caches; models and runs stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A lock is named after its extra. --universal: one file for all Python versions and platforms. The lock of `dev` includes
# `serve`, `train` and `test` and constrains the other locks, so that what is installed is what was tested.
$(filter-out requirements/dev.txt,$(LOCKS)): BOUND = --constraints requirements/dev.txt
$(filter-out requirements/dev.txt,$(LOCKS)): requirements/dev.txt
requirements/%.txt: FORCE | .venv/dev
	.venv/dev/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --extra $* $(BOUND) $(ARGS) pyproject.toml -o $@

# An environment is rebuilt if its lock or Python has changed. `made-from` is written last, so that an interrupted
# installation is repeated. pip would compile the modules on one core.
# $(call install,ENVIRONMENT,LOCKS,OPTIONS)
install = { $(PYTHON) --version; cat $(2); } | cmp -s - $(1)/made-from || { set -e; \
    echo "Installing $(2) into $(1) ..."; \
    rm -rf $(1); \
    $(PYTHON) -m venv $(1); \
    $(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes $(3) $(addprefix -r ,$(2)); \
    $(1)/bin/python -m compileall -qq -j 0 $(1)/lib || true; \
    { $(PYTHON) --version; cat $(2); } >$(1)/made-from; }

.venv/%: python FORCE
	@$(call install,$@,requirements/$*.txt)

# The packages of `dev`, and CUDA. ONNX Runtime and TensorFlow need different versions of CUDA, so each has its own
# environment. `dev`'s onnxruntime is left out: the CUDA lock has that or onnxruntime-gpu.
.venv/%-gpu: python FORCE
	@mkdir -p .venv && awk '/^[^ #]/ { kept = !/^onnxruntime==/ } kept' requirements/dev.txt >.venv/$*-gpu.txt
	@$(call install,$@,.venv/$*-gpu.txt requirements/$*-cuda.txt,--no-deps)

python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "make: this needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not: name one, as in PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: $(PYTHON) cannot make environments: apt-get install python3-venv"; exit 1; }
