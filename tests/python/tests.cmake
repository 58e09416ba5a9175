# The Python package (python/, docs/PYTHON.md) over the library of this build; 77 = skipped, with a printed reason.
add_test(NAME python COMMAND ${PROJECT_SOURCE_DIR}/tests/python/run.sh $<TARGET_FILE:kvik_shared> WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(python PROPERTIES SKIP_RETURN_CODE 77)
