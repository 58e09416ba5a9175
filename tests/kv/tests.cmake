kvik_test(kv/test_kv kv)
