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

test: all .venv/ready format-check sanitize
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# Every kernel, then whole models of the 1B shape, against the limits of this machine; the bookkeeping of the cache.
bench: all
	@$(BUILD)/bench_kernels
	@$(BUILD)/bench_model llama3.2-1b:q4_0
	@$(BUILD)/bench_model llama3.2-1b:q8_0
	@$(BUILD)/bench_kv

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer.
sanitize: deps
	@cmake -S . -B $(BUILD)-asan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKVIK_SANITIZE=address,undefined >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD)-asan -j $(JOBS)
	@ctest --test-dir $(BUILD)-asan --output-on-failure -j $(JOBS)

# The server and the engine under ThreadSanitizer.
.PHONY: sanitize-thread
sanitize-thread: deps
	@cmake -S . -B $(BUILD)-tsan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKVIK_SANITIZE=thread >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD)-tsan -j $(JOBS) --target kvik test_engine test_pool
	@ctest --test-dir $(BUILD)-tsan --output-on-failure -R 'http_(streams|limits|operations|completions|explain|metrics|idle)|test_engine|test_pool'

# What takes minutes: the tests labelled `long`.
test-long: all
	@ctest --test-dir $(BUILD) --output-on-failure -C long -L long

# Every parser of outside bytes from its seeds for FUZZ_SECONDS; what is found stays in fuzz-out/.
.PHONY: fuzz
FUZZ_SECONDS ?= 600
fuzz: deps
	@tools/fuzz.sh $(FUZZ_SECONDS)

# The other compiler's warnings.
.PHONY: clang-check
clang-check:
	@tools/install-deps.sh clang
	@tools/check-clang.sh

format-check: deps
	@tools/check-format.sh

format: deps
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD).log
