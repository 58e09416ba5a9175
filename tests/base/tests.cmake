kvik_test(base/test_base base)
kvik_test(base/test_pool base)
kvik_test(base/test_heap base)
kvik_threads(test_pool)
