if(NOT KVIK_SANITIZE)
  add_test(NAME mini_recall COMMAND python3 tests/mini/recall.py $<TARGET_FILE:kvik> WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()
