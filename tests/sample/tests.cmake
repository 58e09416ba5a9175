kvik_test(sample/test_sample sample engine) # kvik_sampling_init
