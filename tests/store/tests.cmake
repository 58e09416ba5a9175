kvik_test(store/test_store store)
kvik_test(store/test_store_faults store)
kvik_test(store/test_store_crash store)
kvik_test(store/test_store_shared store)
kvik_threads(test_store test_store_shared)
# From random seeds, in `make test-long`: a thousand ends by kill -9; many more steps on a disk that fails.
add_test(NAME test_store_thousand_crashes COMMAND test_store_crash CONFIGURATIONS long)
set_tests_properties(test_store_thousand_crashes PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT KVIK_STEPS=1000)
add_test(NAME test_store_faults_long COMMAND test_store_faults CONFIGURATIONS long)
set_tests_properties(test_store_faults_long PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT KVIK_STEPS=20000)
# A start with a million records, and put and get beside the disk's own speed.
add_executable(bench_store bench/bench_store.c)
target_link_libraries(bench_store PRIVATE kvik_store)
add_executable(make_store tests/store/make_store.c)
target_link_libraries(make_store PRIVATE kvik_store)
add_test(NAME store_cache_sh COMMAND ${PROJECT_SOURCE_DIR}/tests/store/cache.sh $<TARGET_FILE:kvik> $<TARGET_FILE:make_store>
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
