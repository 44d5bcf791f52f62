# Every target sets up what it needs on a fresh machine (root, Debian, Python >= 3.11).
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install demo test torture lint bench apt

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/.demo: .venv/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	touch $@

.venv/.test: .venv/.installed | apt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo,test]'
	touch $@

demo: .venv/.demo
	$(BIN)/jidoka demo

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.test lint
	$(BIN)/pytest

# The long form of tests/torture: 200 kills at random, another seed each day; recorder and page frozen for ten minutes.
torture: .venv/.test
	TORTURE_KILLS=200 TORTURE_STOPPED_S=600 TORTURE_TAKT_S=0.05 TORTURE_SEED=$${TORTURE_SEED:-$$(date +%Y%m%d)} $(BIN)/pytest -s --timeout 3600 tests/torture

bench: .venv/.test
	$(BIN)/python -m benchmarks

# What the tests talk to and nobody here wrote: a browser; libmodbus with a compiler for the server that uses it; a GigE
# Vision camera with a wire to it, its client, and what pip needs to build that client's Python side (so: before pip);
# GStreamer's RTSP server with the Python that runs it.
PEERS := chromium libmodbus-dev gcc libc6-dev \
	aravis-tools aravis-tools-cli iproute2 gir1.2-aravis-0.8 libgirepository1.0-dev libcairo2-dev pkg-config python3-dev \
	python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
apt:
	@dpkg -s $(PEERS) >/dev/null 2>&1 || \
		(apt-get update -qq && apt-get install -qq -y -o DPkg::Lock::Timeout=300 $(PEERS) >/dev/null)
