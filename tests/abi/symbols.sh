#!/bin/sh
# What libkvik.so exports is what the list beside this says, one line a symbol, NODE NAME: nothing is lost, nothing is added
# unseen. tests/abi/symbols.sh LIBKVIK.SO
set -eu
here=$(dirname "$0")
nm -D --defined-only "$1" | sed -n 's/.* T \(kvik_[a-z0-9_]*\)@@*\(KVIK_[0-9.]*\)$/\2 \1/p' | LC_ALL=C sort >"${TMPDIR:-/tmp}/kvik-symbols.$$"
trap 'rm -f "${TMPDIR:-/tmp}/kvik-symbols.$$"' EXIT
diff "$here/symbols.txt" "${TMPDIR:-/tmp}/kvik-symbols.$$" || {
	echo "libkvik.so exports other symbols than tests/abi/symbols.txt says: a new function is added there; one that was released stays"
	exit 1
}
