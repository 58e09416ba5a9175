kvik_test(sched/test_sched_sim sched kv base)
target_sources(test_sched_sim PRIVATE tests/sched/sim.c tests/sched/fake_cache.c tests/sched/kv_cache.c)
kvik_test(sched/test_sched sched kv base)
target_sources(test_sched PRIVATE tests/sched/sim.c tests/sched/fake_cache.c)
# make test-long
add_test(NAME test_sched_sim_long COMMAND test_sched_sim CONFIGURATIONS long WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(test_sched_sim_long PROPERTIES ENVIRONMENT KVIK_SCENARIOS=100000 LABELS long)
