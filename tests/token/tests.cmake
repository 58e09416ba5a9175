kvik_test(token/test_pipelines token)
