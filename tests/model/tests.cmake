kvik_test(model/test_rope model)
kvik_test(model/test_stories model)
kvik_test(model/test_models model)
kvik_test(model/test_same_bits model)
