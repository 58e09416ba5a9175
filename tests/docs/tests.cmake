add_test(NAME docs_snippets COMMAND ${PROJECT_SOURCE_DIR}/tests/docs/snippets.py ${CMAKE_C_COMPILER} ${PROJECT_SOURCE_DIR})
