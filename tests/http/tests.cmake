# kvik_http_test(NAME SCRIPT ARGS...): a Python test of the server; 77 = skipped, with a printed reason.
function(kvik_http_test name script)
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/http/run.sh tests/http/${script} $<TARGET_FILE:kvik> ${ARGN}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 RUN_SERIAL ON)
endfunction()
kvik_http_test(http_openai test_openai.py)
kvik_http_test(http_metrics test_metrics.py)
kvik_http_test(http_limits test_limits.py)
kvik_http_test(http_operations test_operations.py)
kvik_http_test(http_explain test_explain.py)
kvik_http_test(http_streams test_streams.py)
kvik_http_test(http_completions test_completions.py)
kvik_test(http/test_sse http)
kvik_http_test(http_bench_serve test_bench_serve.py)
kvik_http_test(http_idle test_idle.py)
add_test(NAME http_soak COMMAND ${PROJECT_SOURCE_DIR}/tests/http/run.sh tests/http/soak.py $<TARGET_FILE:kvik> 600 CONFIGURATIONS long
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(http_soak PROPERTIES LABELS long TIMEOUT 1200)
