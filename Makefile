# Every target prepares the environment itself, once, in .venv. Needs python3 and make.
MODEL  ?= efld-small
DATA   ?=
SPLIT  ?=
DEVICE ?= host
FLAGS  ?=

UV     := $(or $(shell command -v uv),.uv/bin/uv)
PYTHON := .venv/bin/python
READY  := .venv/.ready
FILES  := fp32.tflite fp16.tflite int8.tflite $(if $(filter host,$(DEVICE)),onnx)   # ratios are to the first
# Anything but host, emulated and android is the serial number of a device.
BENCH  := $(if $(filter host emulated android,$(DEVICE)),$(DEVICE),android --serial $(DEVICE))
# .arm is for emulated processors, and for phones without Google's runner.
GOOGLE := $(if $(filter emulated,$(DEVICE)),,$(EFLD_BENCHMARK_MODEL))
ARM    := $(if $(filter host,$(DEVICE))$(GOOGLE),,.arm/.ready)
PRESET := $(if $(DATA),300w,synthetic)
# A zoo name or a run's name; both live in runs/. Shells complete a folder's name with a slash.
NAME   := $(MODEL:%/=%)
RUN    := $(if $(wildcard $(NAME)/.),$(NAME),runs/$(notdir $(NAME)))
# Claims are tried all together unless somebody names a model.
CLAIMS := $(if $(filter file,$(origin MODEL)),,--model "$(MODEL)")
ON     := $(if $(DATA),--data "$(DATA)") $(if $(SPLIT),--split $(SPLIT))

# Folders share these names, hence .PHONY. "export" is a make keyword: no space before its colon.
.PHONY: help setup train export bench claims report test check format lock clean

help:    ## this list
	@grep -hE '^[a-z-]+:.*  ##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | expand -t 10
	@echo
	@echo "MODEL=$(MODEL)   a pretrained model or a run's name"
	@echo "DATA=$(DATA)             300-W, or a folder of pictures with .pts; empty: rendered faces"
	@echo "SPLIT=$(SPLIT)            common challenging full all; empty: common, if DATA has it"
	@echo "DEVICE=$(DEVICE)       where bench runs: host, emulated, android, or a device's serial number"
	@echo "FLAGS=$(FLAGS)            more flags for the command behind a target"

setup: $(READY)    ## prepare .venv from requirements.lock

# What `benchmark emulated` and `benchmark android` need, in .arm: the runner (aarch64), the library it
# loads, and the counter (a plugin of this machine's QEMU). The compilers come from Debian.
NATIVE    := benchmark/native
ARM_TOOLS := qemu-aarch64 gcc aarch64-linux-gnu-gcc
ARM_APT   := qemu-user gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross
ARM_C     := -O2 -Wall -Wextra -Werror
ARM_NEW   := .arm/new
.PHONY: setup-arm
setup-arm: .arm/.ready    ## prepare .arm: emulated ARM processors that count instructions (Debian)

.arm/.ready: $(wildcard $(NATIVE)/*) | $(UV)
	@rm -rf $(ARM_NEW) && mkdir -p $(ARM_NEW)/lib && echo '*' > .arm/.gitignore
	@which $(ARM_TOOLS) >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends $(ARM_APT); } || \
	  { echo "error: $(ARM_TOOLS): some are missing. On Debian: sudo apt-get install $(ARM_APT)"; exit 2; }
	@$(UV) pip install --quiet --target $(ARM_NEW)/wheel --python-version 3.11 --no-deps \
	  --python-platform aarch64-manylinux_2_17 --require-hashes -r $(NATIVE)/requirements.txt
	@mv $(ARM_NEW)/wheel/ai_edge_litert/libLiteRtRuntimeCApi.so $(ARM_NEW)/lib/
	@aarch64-linux-gnu-gcc $(ARM_C) -o $(ARM_NEW)/runner $(addprefix $(NATIVE)/,runner.c options.c times.c) -ldl -lm
	@gcc $(ARM_C) -fPIC -shared -o $(ARM_NEW)/arm_count.so $(NATIVE)/arm_count.c
	@rm -rf .arm/lib && mv $(ARM_NEW)/lib $(ARM_NEW)/runner $(ARM_NEW)/arm_count.so .arm/
	@rm -rf $(ARM_NEW) && touch $@

train: $(READY)    ## DATA=<300-W root>: train MODEL there; without DATA a few minutes on rendered faces
	$(if $(DATA),,@echo "No DATA given: training on the embedded synthetic faces for a few minutes.")
	$(PYTHON) -m train $(PRESET) --model $(MODEL) $(if $(DATA),--data "$(DATA)") $(FLAGS)

export: $(READY)    ## MODEL -> ONNX -> TFLite float32, float16, int8, each verified
	@$(PYTHON) -m export $(MODEL) $(ON) >/dev/null   # quantize prints the whole table
	@$(PYTHON) -m quantize $(MODEL) $(ON) $(FLAGS)

bench: $(READY) $(ARM)    ## size and speed of MODEL's files on DEVICE
	@test -f $(RUN)/model.int8.tflite || \
	  { echo "error: $(RUN): no model.int8.tflite. Run make export MODEL=$(MODEL) first."; exit 2; }
	$(PYTHON) -m benchmark $(BENCH) $(FILES:%=$(RUN)/model.%) $(FLAGS)

claims: $(READY)    ## what the papers print, beside what is measured here; MODEL=<name>: only of it
	$(PYTHON) -m benchmark claims $(CLAIMS) $(FLAGS)

report: $(READY)    ## all that was measured of MODEL on one page, report.html
	$(PYTHON) -m benchmark report $(RUN) $(FLAGS)

test: $(READY)    ## the test suite
	$(PYTHON) -m pytest -n auto --dist loadfile $(FLAGS)

check: $(READY)    ## format, lint, types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: $(READY)    ## let ruff format and mend
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: $(UV)    ## resolve requirements.lock anew from pyproject.toml
	$(UV) pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 \
	  --extra dev pyproject.toml -o requirements.lock

clean:    ## remove the environment; runs/ stays
	rm -rf .venv .uv .arm

$(READY): pyproject.toml requirements.lock | $(UV)
	$(UV) venv --quiet --allow-existing --python 3.11 .venv
	$(UV) pip sync --quiet --python $(PYTHON) --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(PYTHON) --no-deps --editable .
	@touch $@

.uv/bin/uv:
	@python3 -m venv .uv || { echo "error: python3 has no venv module; on Debian: apt install python3-venv"; exit 2; }
	@.uv/bin/pip install --quiet "uv>=0.8"
