kvik_test(cli/test_opts cli)
kvik_test(cli/test_layers cli)
kvik_test(cli/test_ids_npy cli)
add_test(NAME cli COMMAND ${PROJECT_SOURCE_DIR}/tests/cli/cli.sh $<TARGET_FILE:kvik>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
add_test(NAME cli_chat COMMAND ${PROJECT_SOURCE_DIR}/tests/cli/test_chat.py $<TARGET_FILE:kvik>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
add_test(NAME cli_manual COMMAND ${PROJECT_SOURCE_DIR}/tests/cli/manual.sh $<TARGET_FILE:kvik>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
add_test(NAME cli_perplexity COMMAND ${PROJECT_SOURCE_DIR}/tests/cli/test_perplexity.py $<TARGET_FILE:kvik>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
