#!/bin/sh
# Compiles every C file with clang's warnings as errors, without making anything. `make clang-check` installs clang first.
set -eu
cd "$(dirname "$0")/.."
flags="-std=gnu17 -D_GNU_SOURCE -DKVIK_VERSION=\"0\" -DKVIK_MINI_PATH=\"models/kvik-mini.gguf\" -DKVIK_MODELS_DIR=\"models\" -Iinclude -Isrc -Itests -Ibench
 -Wall -Wextra -Wshadow -Wconversion -Werror"
avx2="-mavx2 -mfma -mf16c"
avx512="$avx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
bad=0
for f in $(git ls-files 'src/*.c' 'tests/*.c' 'bench/*.c' 'examples/*.c'); do
	case $f in
	*level_avx2.c) level=$avx2 ;;
	*level_avx512.c) level=$avx512 ;;
	*) level= ;;
	esac
	# shellcheck disable=SC2086
	clang -fsyntax-only $flags $level "$f" || bad=1
done
exit $bad
