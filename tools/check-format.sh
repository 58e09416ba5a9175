#!/bin/sh
# Fails when a C file differs from what .clang-format makes of it.
set -eu
files=$(git ls-files '*.c' '*.h')
[ -n "$files" ] || exit 0
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files
