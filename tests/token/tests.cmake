kvik_test(token/test_pipelines token)
kvik_test(token/test_pretok token)
kvik_test(token/test_vocab token)
