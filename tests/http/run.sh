#!/bin/sh
# Runs a Python test with the packages of tests/requirements.txt where `make` has installed them (.venv).
# tests/http/run.sh TEST.py ARGS...
python=python3
[ -x .venv/bin/python ] && python=.venv/bin/python
exec $python -W ignore::ResourceWarning "$@"
