kvik_test(kv/test_kv kv)
kvik_test(kv/test_kv_cost kv)
kvik_test(kv/test_kv_ghost kv)
kvik_test(kv/test_kv_tree kv)
kvik_test(kv/test_kv_random kv)
kvik_test(kv/test_kv_room kv)
kvik_test(kv/test_kv_pack kv)
kvik_test(kv/test_kv_state kv)
# A million random operations; `make test-long`, or under the sanitizers `ctest --test-dir build-asan -C long -L long`.
add_test(NAME test_kv_million COMMAND test_kv_random CONFIGURATIONS long)
set_tests_properties(test_kv_million PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT KVIK_STEPS=1000000)
# What the bookkeeping costs per token; part of `make bench`.
add_executable(bench_kv bench/bench_kv.c)
target_link_libraries(bench_kv PRIVATE kvik_kv)
