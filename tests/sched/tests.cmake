kvik_test(sched/test_sched_sim sched kv base)
target_sources(test_sched_sim PRIVATE tests/sched/sim.c tests/sched/fake_cache.c)
