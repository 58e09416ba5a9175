kvik_test(constrain/test_cases constrain)
kvik_test(constrain/test_masks constrain)
kvik_test(constrain/test_grammars constrain)
# 2,000 answers under random schemas: minutes
add_test(NAME constrain_answers COMMAND ${PROJECT_SOURCE_DIR}/tests/http/run.sh tests/constrain/answers.py $<TARGET_FILE:kvik> CONFIGURATIONS long
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(constrain_answers PROPERTIES LABELS long TIMEOUT 3600 SKIP_RETURN_CODE 77)
