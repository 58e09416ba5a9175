# The two commands a new user needs are `make run` and `make test`; both install what is missing on Debian 12.
BUILD ?= build
JOBS  ?= $(shell nproc)

.PHONY: all deps test bench sanitize format-check format clean

all: deps
	@cmake -S . -B $(BUILD) -G Ninja >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)

deps:
	@tools/install-deps.sh

test: all format-check sanitize
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# Every kernel, then whole models of the 1B shape, against the limits of this machine.
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

format-check: deps
	@tools/check-format.sh

format: deps
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD).log
