kvik_test(bench/test_bench_load bench)
kvik_test(bench/test_report bench)
kvik_test(bench/test_quality bench)
kvik_threads(test_bench_load)
