# make alone prints the targets. Variables: DATASET, ARGS, RAW, WEIGHTS, ONNXRUNTIME_WEB, PYTHON, ACCELERATOR.

DATASET     ?= avatars
ARGS        ?=
RAW         ?=
PYTHON      ?= python3
ACCELERATOR ?= auto
NAME        ?=
WEIGHTS     ?=
ONNXRUNTIME_WEB ?=
CHROMIUM    ?= $(shell command -v chromium chromium-browser google-chrome | head -n 1)
# Those first that need something: a run, data.
BENCHMARKS  := startup mlp28 conv64 iw_likelihood pipeline prepare memory

comma := ,

BIN := .venv/bin
EXPERIMENT := experiments/$(DATASET).py
RAW_FLAG := $(if $(RAW),--data.raw "$(RAW)")

# Detects the accelerator: an NVIDIA driver (CUDA 13 needs 580 or newer) or a TPU on the PCI bus.
ifneq ($(filter $(ACCELERATOR),cpu cuda12 tpu),)
JAX_FOR := $(ACCELERATOR)
else
DRIVER  := $(shell nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | grep -oE '^[0-9]+' | head -n 1)
GPU     := $(if $(DRIVER),$(shell [ $(DRIVER) -ge 580 ] && echo cuda || echo cuda12))
TPU     := $(shell cat /sys/bus/pci/devices/*/uevent 2>/dev/null | grep -qiE 'PCI_ID=1AE0:(0027|0056|005E|0062|0063|006F|0076)' && echo tpu)
JAX_FOR := $(or $(GPU),$(if $(filter cuda,$(ACCELERATOR)),cuda,$(or $(TPU),cpu)))
endif
READY := .venv/ready-$(JAX_FOR)

.DEFAULT_GOAL := help
.PHONY: help setup experiment train interpolate sample evaluate compare selftest reconstruct traverse attribute map neighbours encode decode convert export push explore test test-all test-tpu test-browser test-notebook test-docs test-parity test-weights hostile docs check bench faults clean

help:  ## print this help
	@echo "jaxvae: variational autoencoders in JAX"
	@echo
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1|/' | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'
	@echo
	@echo "  DATASET=$(DATASET)      an experiment: $(basename $(notdir $(wildcard experiments/*.py)))"
	@echo '  RAW=DIR              manually downloaded dataset files, or the images for DATASET=folder'
	@echo '  ARGS="--seed 1"      passed to the command; ARGS=--help lists its options'
	@echo "  ACCELERATOR=$(ACCELERATOR)     auto, cpu, cuda, cuda12 or tpu: which JAX is installed"
	@echo "  PYTHON=$(PYTHON)       the interpreter that creates .venv (3.11 or newer)"

setup: $(READY)  ## create .venv and install everything into it

# Built once, and again when the dependencies or the accelerator change.
$(READY): pyproject.toml
	@case "$(ACCELERATOR)" in auto|cpu|cuda|cuda12|tpu) ;; *) echo "error: ACCELERATOR is $(ACCELERATOR); expected auto, cpu, cuda, cuda12 or tpu."; exit 2;; esac
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is missing or older than Python 3.11; choose another, as in make PYTHON=python3.12."; exit 2; }
	@echo "creating .venv with JAX for: $(JAX_FOR); about 2 GB, which takes one to five minutes"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev$(if $(filter-out cpu,$(JAX_FOR)),$(comma)$(JAX_FOR))]'
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # by all cores, where pip takes one; a file may be for another Python
	@touch $@

train: experiment $(READY)  ## prepare the data, train, show the result
	$(BIN)/python -m jaxvae.train $(EXPERIMENT) $(RAW_FLAG) $(ARGS)

experiment:
	@test -f $(EXPERIMENT) || { echo "error: DATASET is $(DATASET), but must be one of: $(basename $(notdir $(wildcard experiments/*.py)))."; exit 2; }

interpolate: $(READY)  ## newest run: interpolate between two test images
	$(BIN)/python -m jaxvae.interpolate $(ARGS)

sample: $(READY)  ## newest run: a grid of new images
	$(BIN)/python -m jaxvae.sample $(ARGS)

evaluate: $(READY)  ## newest run: bounds on log p(x), metrics of codes and images, and a diagnosis
	$(BIN)/python -m jaxvae.evaluate $(ARGS)

compare: $(READY)  ## runs side by side (ARGS="runs/a runs/b")
	$(BIN)/python -m jaxvae.compare $(ARGS)

selftest: $(READY)  ## check this machine's numerics against closed forms
	$(BIN)/python -m jaxvae.selftest $(ARGS)

reconstruct: $(READY)  ## newest run: originals above their reconstructions
	$(BIN)/python -m jaxvae.reconstruct $(ARGS)

traverse: $(READY)  ## newest run: vary each of the leading latent units
	$(BIN)/python -m jaxvae.traverse $(ARGS)

attribute: $(READY)  ## newest run: list, add or measure attributes (ARGS="add sunglasses --images test:3", ARGS=measure)
	$(BIN)/python -m jaxvae.attribute $(ARGS)

map: $(READY)  ## newest run: plot the latent space in the plane (ARGS="--attribute NAME")
	$(BIN)/python -m jaxvae.map $(ARGS)

neighbours: $(READY)  ## newest run: samples next to their nearest training images
	$(BIN)/python -m jaxvae.neighbours $(ARGS)

encode: $(READY)  ## newest run: write the codes of the test images to a file (ARGS="--standardize --out codes.npz")
	$(BIN)/python -m jaxvae.encode $(ARGS)

decode: $(READY)  ## decode a file of codes to images: ARGS="codes.npz --out FOLDER"
	$(BIN)/python -m jaxvae.decode $(ARGS)

convert: $(READY)  ## a diffusers autoencoder to a run, or back: ARGS="FROM TO"
	$(BIN)/python -m jaxvae.convert $(ARGS)

export: $(READY)  ## newest run: encoder and decoder as StableHLO and ONNX, or a web page (ARGS="--page FOLDER")
	$(BIN)/python -m jaxvae.export $(ARGS)

push: $(READY)  ## upload a run with a model card: ARGS="RUN OWNER/NAME --license apache-2.0"
	$(BIN)/python -m jaxvae.push $(ARGS)

explore: $(READY)  ## newest run: walk, change attributes and sample in the browser
	$(BIN)/python -m jaxvae.explore $(ARGS)

test: $(READY)  ## run the CPU test suite on eight simulated devices
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-all: $(READY)  ## the same plus the slow and multi-process tests, with XLA's optimizations
	XLA_FLAGS= $(BIN)/python -m pytest -n 2 --dist loadfile -m "not (tpu or browser or notebook or parity or weights)" $(ARGS)

test-tpu: $(READY)  ## compile CelebA's train step for a TPU, without one (installs [tpu-plan])
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tpu-plan]'
	$(BIN)/python -m pytest -m tpu $(ARGS)

test-browser: $(READY)  ## test the explorer in a headless Chromium (ONNXRUNTIME_WEB=FILE.tgz for the exported page)
	@test -x "$(CHROMIUM)" || { echo "error: there is no Chromium; install it (apt-get install chromium) or set CHROMIUM=/path."; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	CHROMIUM="$(CHROMIUM)" ONNXRUNTIME_WEB="$(abspath $(ONNXRUNTIME_WEB))" $(BIN)/python -m pytest -m browser tests/explorer $(ARGS)

test-parity: $(READY)  ## compare converted models with diffusers, and let it open exported ones (installs [parity])
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[parity]'
	$(BIN)/python -m pytest -s -m parity tests/parity $(ARGS)

test-weights: $(READY)  ## reconstruct a photograph with published weights (WEIGHTS=FOLDER with the two files of TAEF2)
	@test -d "$(WEIGHTS)" || { echo "error: WEIGHTS is '$(WEIGHTS)'; expected the folder of taef2_encoder.pth and taef2_decoder.pth."; exit 2; }
	WEIGHTS="$(abspath $(WEIGHTS))" $(BIN)/python -m pytest -s -m weights tests/weights $(ARGS)

test-notebook: $(READY)  ## run the cells of docs/tutorials/tour.ipynb with a few training steps
	$(BIN)/python -m pytest -m notebook tests/test_notebook.py $(ARGS)

test-docs: $(READY)  ## run the code blocks of README and docs, and check the flags of every command in them
	$(BIN)/python -m pytest -m "slow or not slow" tests/test_docs.py $(ARGS)

docs: $(READY)  ## build the documentation into build/docs, offline; warnings are errors
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html docs build/docs
	@echo "open build/docs/index.html"

hostile: $(READY)  ## feed damaged and malicious files, arguments and code (tests/bad_inputs), print a table
	$(BIN)/python -m pytest -n 2 -m "slow or not slow" tests/bad_inputs $(ARGS)

check: $(READY)  ## check format, lint, types and import layers
	$(BIN)/ruff format --check src tests experiments docs
	$(BIN)/ruff check src tests experiments docs
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## benchmark against PyTorch; NAME=conv64 runs one, QUICK=1 takes ten minutes (installs [bench])
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@set -e; for name in $(or $(NAME),$(BENCHMARKS)); do $(BIN)/python experiments/benchmarks/$$name.py $(ARGS) \
	    $$(test $$name != mlp28 || echo $(if $(RAW),--raw $(RAW))); done
	@$(BIN)/python experiments/benchmarks/table.py

faults: $(READY)  ## interrupt training in every way that machines fail, check that nothing is lost (ARGS="--times 20")
	$(BIN)/python experiments/studies/faults.py $(ARGS)

clean:  ## remove .venv and generated files; keep runs/ and data/
	rm -rf .venv build dist docs/reference/generated src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
	find src tests experiments docs -name __pycache__ -type d -prune -exec rm -rf {} +
