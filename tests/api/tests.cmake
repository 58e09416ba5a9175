# The public header as strangers compile it: strict C99, and C++ where there is a compiler.
function(kvik_example name)
  add_executable(example_${name} examples/${name}.c)
  set_target_properties(example_${name} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
  target_compile_options(example_${name} PRIVATE -pedantic-errors)
  target_link_libraries(example_${name} PRIVATE kvik_engine)
  add_test(NAME example_${name} COMMAND example_${name} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
kvik_example(story ../shared/models/stories260K/stories260K.gguf "Once")
set_tests_properties(example_story PROPERTIES SKIP_REGULAR_EXPRESSION "stories260K.gguf: cannot open")
kvik_example(chat)
set_tests_properties(example_chat PROPERTIES PASS_REGULAR_EXPRESSION "get_weather.*[[][0-9]+ tokens]")
kvik_example(cache)
set_tests_properties(example_cache PROPERTIES PASS_REGULAR_EXPRESSION
  "fork +[+] +[0-9]+ tokens, of which +[1-9][0-9]* were in the cache")

kvik_example(snapshot)
set_tests_properties(example_snapshot PROPERTIES PASS_REGULAR_EXPRESSION "([0-9]+) tokens saved, [1-9][0-9]* bytes;(.*[^\n])\n+[0-9]+ tokens restored;")
kvik_example(step)
set_tests_properties(example_step PROPERTIES PASS_REGULAR_EXPRESSION "[[]1[0-9] steps for 3 texts of 12 tokens")
kvik_example(engine)
set_tests_properties(example_engine PROPERTIES PASS_REGULAR_EXPRESSION "A long story: cancelled by the caller")
kvik_example(poll)
set_tests_properties(example_poll PROPERTIES PASS_REGULAR_EXPRESSION "Tom had a red +: [1-9][0-9]* tokens")
kvik_example(processor)
set_tests_properties(example_processor PROPERTIES PASS_REGULAR_EXPRESSION "[aeiouxyz]+[^a-z]*[[]24 tokens")
kvik_example(interrupt)
set_tests_properties(example_interrupt PROPERTIES PASS_REGULAR_EXPRESSION "interrupted; [1-9]?[0-9]+ tokens")

include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
  enable_language(CXX)
  add_executable(api_cxx tests/api/cxx.cpp)
  target_compile_options(api_cxx PRIVATE -Wall -Wextra -Werror -pedantic-errors)
  target_link_libraries(api_cxx PRIVATE kvik_engine)
  add_test(NAME api_cxx COMMAND api_cxx WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()

if(NOT KVIK_SANITIZE) # the sanitizers' runtime would have to be linked by the stranger
  add_test(NAME api_library COMMAND ${PROJECT_SOURCE_DIR}/tests/api/library.sh ${CMAKE_C_COMPILER} ${PROJECT_BINARY_DIR}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  add_test(NAME api_library_whole COMMAND ${PROJECT_SOURCE_DIR}/tests/api/library.sh ${CMAKE_C_COMPILER} ${PROJECT_BINARY_DIR}
    whole CONFIGURATIONS long WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(api_library_whole PROPERTIES LABELS long)
  add_test(NAME api_install COMMAND ${PROJECT_SOURCE_DIR}/tests/api/install.sh ${PROJECT_BINARY_DIR}
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endif()

kvik_test(api/test_weigh api)
kvik_test(api/test_fields api)
kvik_test(api/test_call_form api engine)
kvik_test(api/test_infill_end api engine)
kvik_test(api/test_after_thoughts api engine)
kvik_test(api/test_nonce api)

# Calls to the byte, against an engine that says what a table tells it.
foreach(endpoint chat completions native responses anthropic ollama)
  kvik_test(api/test_api_${endpoint} api engine)
  target_sources(test_api_${endpoint} PRIVATE tests/api/canned.c)
endforeach()
