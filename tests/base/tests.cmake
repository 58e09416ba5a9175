kvik_test(base/test_base base)
