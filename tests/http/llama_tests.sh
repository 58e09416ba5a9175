#!/bin/sh
# Runs llama-server's own tests of the endpoints that kvik has too against kvik:
#
#   tests/http/llama_tests.sh LLAMA_CPP_CHECKOUT [KVIK [MODEL.gguf]] [-- PYTEST ARGS]
#
# The checkout is only read for its tests (tools/server/tests, in older ones examples/server/tests). Needs from PyPI:
# pytest requests openai wget. Which of them fail, and why: src/api/README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
checkout=$1
shift
kvik=build/kvik
model=../shared/models/stories260K/stories260K.gguf
[ $# -gt 0 ] && [ "$1" != -- ] && { kvik=$1; shift; }
[ $# -gt 0 ] && [ "$1" != -- ] && { model=$1; shift; }
[ $# -gt 0 ] && shift
KVIK=$(realpath "$kvik")
KVIK_TEST_MODEL=$(realpath "$model")
LLAMA_SERVER_BIN_PATH=$here/llama_server.py
export KVIK KVIK_TEST_MODEL LLAMA_SERVER_BIN_PATH
tests=$checkout/tools/server/tests
[ -d "$tests" ] || tests=$checkout/examples/server/tests
cd "$tests"
exec "${PYTHON:-python3}" -m pytest -q -p no:cacheprovider "$@" unit/test_basic.py unit/test_completion.py \
	unit/test_chat_completion.py unit/test_tokenize.py unit/test_embedding.py unit/test_security.py unit/test_ctx_shift.py
