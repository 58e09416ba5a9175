kvik_test(model/test_rope model)
