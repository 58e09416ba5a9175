add_test(NAME http_openai COMMAND ${PROJECT_SOURCE_DIR}/tests/http/run.sh tests/http/test_openai.py $<TARGET_FILE:kvik>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(http_openai PROPERTIES SKIP_RETURN_CODE 77 RUN_SERIAL ON)
