kvik_test(sample/test_sample sample)
