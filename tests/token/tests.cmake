kvik_test(token/test_pipelines token)
kvik_test(token/test_pretok token)
