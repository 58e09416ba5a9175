#!/bin/sh
# What a stranger does after `make install`: compiles the example against the installed library, and runs it.
# tests/api/install.sh BUILD_FOLDER MODEL
set -eu
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$1" --prefix "$prefix" >/dev/null
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name kvik.pc)")
export PKG_CONFIG_PATH
lib=$(pkg-config --define-variable=prefix="$prefix" --variable=libdir kvik)
# shellcheck disable=SC2046
cc -std=c99 -o "$prefix/story" examples/story.c $(pkg-config --define-variable=prefix="$prefix" --cflags --libs kvik)
LD_LIBRARY_PATH=$lib "$prefix/story" tests/no-such-model.gguf 2>&1 | grep -q 'No such file'
[ -z "$(nm -D --defined-only "$lib/libkvik.so" | grep ' T ' | grep -v ' kvik_')" ] || {
	echo "libkvik.so exports names that do not begin with kvik_"
	exit 1
}
nm -D --defined-only "$lib/libkvik.so" | grep -q ' T kvik_version@@KVIK_' || {
	echo "libkvik.so has no symbol versions"
	exit 1
}
# What the shell and the system look for.
for f in bin/kvik share/man/man1/kvik.1 share/bash-completion/completions/kvik share/zsh/site-functions/_kvik \
	share/fish/vendor_completions.d/kvik.fish lib/systemd/system/kvik.service share/doc/kvik/examples/kvik.conf; do
	[ -s "$prefix/$f" ] || {
		echo "$f was not installed"
		exit 1
	}
done
grep -q "^ExecStart=$prefix/bin/kvik serve" "$prefix/lib/systemd/system/kvik.service"
