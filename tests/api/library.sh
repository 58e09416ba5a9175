#!/bin/sh
# The library alone can be configured where neither libevent, OpenSSL, liburing, libedit nor cmocka is installed
# (pkg-config does not know them here), no rule of its build mentions them, and libkvik.so, which here has the store,
# needs none but the store's. tests/api/library.sh CC LIBKVIK.SO
set -eu
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/pkg-config" <<'END'
#!/bin/sh
case "$*" in
*libevent* | *openssl* | *libcrypto* | *liburing* | *libedit* | *cmocka*) exit 1 ;;
esac
exec pkg-config "$@"
END
chmod +x "$out/pkg-config"
cmake -S . -B "$out/build" -G Ninja -DCMAKE_C_COMPILER="$1" -DKVIK_SERVER=OFF -DKVIK_CLI=OFF -DKVIK_STORE=OFF \
	-DPKG_CONFIG_EXECUTABLE="$out/pkg-config" >"$out/log" 2>&1 || {
	cat "$out/log"
	exit 1
}
ninja -C "$out/build" -t commands all >"$out/rules"
grep -q 'libkvik.so' "$out/rules"
for other in src/http src/cli src/store -levent -lssl -lcrypto -luring -ledit -lcmocka; do
	if grep -q -e "$other" "$out/rules"; then
		echo "the library alone builds or links $other"
		exit 1
	fi
done
readelf -d "$2" >"$out/needed"
if grep NEEDED "$out/needed" | grep -E 'event|ssl|edit'; then
	exit 1
fi
