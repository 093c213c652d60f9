# From a folder of DICOM or photographs to a SavedModel. Every target is one command that also works without make.

PYTHON   ?= python3
VENV     ?= .venv
MODEL    ?= scopeformer
BACKBONE ?=
DATASET  ?=
DATA_DIR ?= data/$(or $(DATASET),$(RUN:runs/$(NAME)_%=%))
RECORDS  ?= records/$(or $(DATASET),$(RUN:runs/$(NAME)_%=%))
RUN      ?= $(if $(DATASET),runs/$(NAME)_$(DATASET),$(or $(firstword $(sort $(wildcard runs/$(NAME)_phantom_*))),runs/$(NAME)_phantom))
MODELS   ?= scopeformer_small efficient_scopeformer
STYLE    ?=
OUTPUT   ?=
ARGS     ?=

# Of a run's default folder, before its data set; which that is without DATASET, training.train knows.
NAME = $(MODEL)$(if $(BACKBONE),_$(BACKBONE))

PY        := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# An option and its variable's value, or nothing where the variable has its default or is empty.
given = $(if $(and $(filter-out file,$(origin $(2))),$($(2))), $(1) $($(2)))

.DEFAULT_GOAL := help
.PHONY: help setup tfrecords train evaluate predict explain compare export serving treat restyle benchmark test lint clean

help: ## Show the targets and their variables
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14
	@echo
	@echo "Variables, with their present values:"
	@echo "  MODEL=$(MODEL) DATASET=$(DATASET) (none: phantoms that fit the model)"
	@echo "  DATA_DIR=$(DATA_DIR) RECORDS=$(RECORDS) RUN=$(RUN)"
	@echo "  BACKBONE=$(BACKBONE) (of MODEL=scopeformer_backbone) MODELS=\"$(MODELS)\""
	@echo "  STYLE=$(STYLE) OUTPUT=$(OUTPUT) ARGS=\"$(ARGS)\" (more options of the target's program)"

setup: $(INSTALLED) ## Make the virtual environment and install the package into it

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV) && $(PY) -m pip install --quiet --disable-pip-version-check -e ".[decoders,reports,serving,test]" && touch $@

tfrecords: setup ## Make records of DATASET in DATA_DIR; without them, of phantoms made for it
	$(if $(and $(call given,--model,MODEL),$(if $(DATASET),,none)),$(error expected DATASET for make tfrecords, received MODEL alone; make train MODEL=$(MODEL) makes the records that it needs))$(PY) -m data_prep.tfrecords$(call given,--dataset,DATASET)$(call given,--data-dir,DATA_DIR)$(call given,--records,RECORDS) $(ARGS)

train: setup ## Train MODEL, evaluate it and export it as a SavedModel; makes the records first
	$(PY) -m training.train$(call given,--model,MODEL)$(call given,--backbone,BACKBONE)$(call given,--dataset,DATASET)$(call given,--data-dir,DATA_DIR)$(call given,--records,RECORDS)$(call given,--run,RUN) $(ARGS)

evaluate: setup ## Score RUN on its test split again and rewrite its report
	$(PY) -m training.evaluate --run $(RUN) $(ARGS)

predict: setup ## Classify the files in DATA_DIR with the SavedModel of RUN, here or on a server (ARGS)
	$(PY) -m training.predict$(if $(findstring --export,$(ARGS)),, --run $(RUN))$(if $(findstring --dicomweb,$(ARGS)),, $(DATA_DIR)) $(ARGS)

explain: setup ## Draw what RUN's model sees of its own records, or of the files in DATA_DIR if given
	$(PY) -m training.explain --run $(RUN)$(call given,,DATA_DIR) $(ARGS)

compare: setup ## Train MODELS where needed; print the papers' tables beside their scores
	$(PY) -m training.compare --models $(MODELS)$(call given,--dataset,DATASET)$(call given,--data-dir,DATA_DIR)$(call given,--records,RECORDS) $(ARGS)

export: setup ## Write the next version of RUN's SavedModel
	$(PY) -m training.export --run $(RUN) $(ARGS)

serving: setup ## Write the files that TensorFlow Serving needs for RUN's exports, into OUTPUT (serving/)
	$(PY) -m keras_medformers.serving.server_files --exports $(or $(wildcard $(RUN)/export/*),$(RUN)) --output $(or $(OUTPUT),serving) $(ARGS)

treat: setup ## Take the head holder out of the CT slices in DATA_DIR and show it, into OUTPUT (ich_location)
	$(PY) -m data_prep.head_treatment$(call given,--data-dir,DATA_DIR) --output $(OUTPUT) $(ARGS)

restyle: setup ## Redraw the pictures in DATA_DIR into OUTPUT in the style of the slice or picture STYLE
	$(PY) -m data_prep.style_transfer --content $(DATA_DIR) --style $(STYLE) --output $(OUTPUT) $(ARGS)

benchmark: setup ## Measure speed and memory side by side with the alternatives
	$(PY) -m benchmarks

test: setup ## Run all tests, in two processes
	$(PY) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup ## Check the code's style
	$(PY) -m ruff check $(ARGS) && $(PY) -m ruff format --check

clean: ## Remove what the targets made, but not runs, records and data
	rm -rf $(VENV) build dist *.egg-info .pytest_cache
