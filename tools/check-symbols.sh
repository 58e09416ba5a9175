#!/bin/sh
# No symbol is defined in two of the rooms' static libraries, of which a linker would silently take the one that it met
# first: tools/check-symbols.sh BUILD
set -eu
twice=$(nm -A --defined-only --extern-only "${1:-build}"/libkvik_*.a 2>/dev/null |
	awk 'NF >= 3 {
		symbol = $NF
		place = $1
		sub(/^.*\/libkvik_/, "", place)
		sub(/\.a:/, "/", place)
		sub(/:.*$/, "", place)
		if (symbol in first)
			print symbol ": " first[symbol] ", " place
		else
			first[symbol] = place
		n++
	}
	END { if (n == 0) print "no libraries there" }')
if [ -n "$twice" ]; then
	echo "symbols that are defined twice:"
	echo "$twice"
	exit 1
fi
