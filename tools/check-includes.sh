#!/bin/sh
# Holds the layers of docs/DESIGN.md: a room may include its own headers and those of the rooms named here, no other.
set -eu
cd "${1:-.}"
bad=0
check() { # check ROOM ALLOWED...
	room=$1
	shift
	[ -d "src/$room" ] || return 0
	allowed="$room"
	for r in "$@"; do allowed="$allowed|$r"; done
	found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include "' "src/$room" --include='*.[ch]' | grep -vE "include \"($allowed)/" || true)
	if [ -n "$found" ]; then
		echo "include rule: $room may include only: $allowed"
		echo "$found"
		bad=1
	fi
}
check base
check format base
check token base
check tmpl base
check kernels base
check kv base
check backend kernels kv base
check model backend kernels kv format base
check sample base
check sched kv base
check store base
check constrain base
check engine backend base format token constrain chat tmpl kernels kv model sample sched store
check chat tmpl base
check api base tmpl chat
check http api base
check bench http kv base
check cli bench api http chat tmpl store base
# Above the backend nobody knows kernels, but for what files and pages look like.
found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include "(kernels/|backend/.*/)' src/model src/engine --include='*.[ch]' | grep -vE '"kernels/(kv_layout|dequant)\.h"' || true)
if [ -n "$found" ]; then
	echo "include rule: model and engine compute through backend/backend.h alone"
	echo "$found"
	bad=1
fi
# What a change of the public interface must not compile again.
found=$(grep -rnE '^[[:space:]]*#[[:space:]]*include [<"]kvik\.h' src/base src/format src/token src/tmpl src/kernels src/kv src/sched src/store src/constrain --include='*.[ch]' || true)
if [ -n "$found" ]; then
	echo "include rule: rooms below model and sample do not know kvik.h (errors: base/err.h)"
	echo "$found"
	bad=1
fi
exit $bad
