#!/bin/sh
# run.sh LIBKVIK.SO: the package's own tests, its example, and what docs/PYTHON.md shows
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
if ! $python -c 'import cffi, numpy, pytest' 2>/dev/null; then
	echo "skipped: the tests of the Python package need cffi, numpy and pytest"
	exit 77
fi
export KVIK_LIBRARY="$1" PYTHONPATH="$PWD/python" PYTHONDONTWRITEBYTECODE=1
$python -m pytest -q -p no:cacheprovider python/tests &&
	$python python/examples/past_key_values.py &&
	$python tests/python/snippets.py docs/PYTHON.md
