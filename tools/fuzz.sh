#!/bin/sh
# fuzz.sh [SECONDS] [NAME...]: builds the fuzz targets with clang and the sanitizers, runs each for SECONDS (600) from its
# seeds, and prints a summary. New inputs grow in fuzz-out/NAME; a finding is left there as crash-*, timeout-* or oom-*.
# Fails when there is one.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}
[ $# -gt 0 ] && shift
command -v clang >/dev/null || tools/install-deps.sh clang libclang-rt-14-dev
CC=clang cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DKVIK_FUZZ=ON \
	-DKVIK_SANITIZE=address,undefined >build-fuzz.log || { cat build-fuzz.log; exit 1; }
cmake --build build-fuzz --target fuzz_all >build-fuzz.log || { cat build-fuzz.log; exit 1; }
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/\.c$//')
failed=0
for name; do
	out=fuzz-out/$name
	mkdir -p "$out"
	dict=""
	[ -f "tests/fuzz/$name.dict" ] && dict="-dict=tests/fuzz/$name.dict"
	result=ok
	# shellcheck disable=SC2086
	nice "build-fuzz/$name" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="$out/" -print_final_stats=1 $dict "$out" "tests/fuzz/corpus/$name" \
		>"$out.log" 2>&1 || { result=FINDING; failed=1; }
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out.log")
	edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$out.log" | tail -1)
	echo "$name: $result after $seconds s: ${runs:-?} runs, ${edges:-?} edges covered (log: $out.log)"
done
exit $failed
