#!/bin/sh
# The library alone is built where neither libevent, OpenSSL, libedit nor cmocka is installed.
#   tests/api/library.sh CC BUILD [whole]
# Without compiling: it is configured with a pkg-config that does not know them; each of its objects is compiled by the
# command of the same object in BUILD, no command mentions them, and no source of these objects includes one of their
# headers, as BUILD's compiler has noted. With `whole` (make test-long) it is compiled, where their headers cannot be found,
# linked, and used.
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/pkg-config" <<'END'
#!/bin/sh
case "$*" in
*libevent* | *openssl* | *libcrypto* | *libedit* | *cmocka*) exit 1 ;;
esac
exec pkg-config "$@"
END
chmod +x "$out/pkg-config"
cmake -S . -B "$out/build" -G Ninja -DCMAKE_C_COMPILER="$1" -DKVIK_SERVER=OFF -DKVIK_CLI=OFF -DKVIK_STORE=OFF \
	-DKVIK_TESTS=OFF \
	-DPKG_CONFIG_EXECUTABLE="$out/pkg-config" >"$out/log" 2>&1 || {
	cat "$out/log"
	exit 1
}
ninja -C "$out/build" -t commands all >"$out/rules"
grep -q 'libkvik.so' "$out/rules"
for other in src/http src/cli -levent -lssl -lcrypto -ledit -lcmocka; do
	if grep -q -e "$other" "$out/rules"; then
		echo "the library alone builds or links $other"
		exit 1
	fi
done

if [ "${3-}" = whole ]; then
	# Headers that stop whoever includes them, found before the system's.
	for h in event2/event.h event2/buffer.h event2/bufferevent.h event2/http.h openssl/ssl.h openssl/err.h histedit.h; do
		mkdir -p "$out/none/$(dirname "$h")"
		echo '#error the library alone knows no such header' >"$out/none/$h"
	done
	CPATH="$out/none" ninja -C "$out/build" all >"$out/log" 2>&1 || {
		tail -20 "$out/log"
		exit 1
	}
	"$1" -std=c99 -Iinclude -o "$out/cache" examples/cache.c "$out/build/libkvik.so"
	LD_LIBRARY_PATH="$out/build" "$out/cache" | grep -q 'were in the cache'
	lib=$out/build/libkvik.so
else
	# What an object is made by, without the launcher, the folders and the sanitizers of either build.
	objects() {
		ninja -C "$1" -t commands all | sed -n 's/^.*\( -D.* -c [^ ]*\/\(src\/[^ ]*\.c\)\)$/\2 \1/p' |
			sed -e "s#$1##g" -e 's# -o [^ ]*##; s# -M[TFD][^ ]* *[^ ]*##g; s# -fsanitize=[^ ]*##' | LC_ALL=C sort -u
	}
	objects "$out/build" >"$out/alone"
	objects "$2" >"$out/beside"
	[ "$(wc -l <"$out/alone")" -gt 100 ]
	# disk_none.c stands in for what needs the store, and is in the library alone.
	LC_ALL=C comm -23 "$out/alone" "$out/beside" | grep -v '^src/engine/disk_none\.c ' | grep . && {
		echo "these are compiled otherwise in the library alone"
		exit 1
	}
	cut -d' ' -f1 "$out/alone" | sort -u >"$out/sources"
	ninja -C "$2" -t deps >"$out/deps"
	awk 'NR == FNR { wanted[$1]; next }
		/^CMakeFiles/ { sub(/\.o:.*/, ""); sub(/.*\.dir\//, ""); source = $0 }
		/\/event2\/|\/openssl\/|histedit|editline/ && source in wanted { print source " includes " $1; bad = 1 }
		END { exit bad }' "$out/sources" "$out/deps"
	lib=$2/libkvik.so
fi
readelf -d "$lib" >"$out/needed"
# BUILD's own library has the store, which needs libcrypto.
never='event|ssl|edit'
[ "${3-}" != whole ] || never="$never|crypto"
if grep NEEDED "$out/needed" | grep -E "$never"; then
	exit 1
fi
