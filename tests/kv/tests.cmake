kvik_test(kv/test_kv kv)
kvik_test(kv/test_kv_tree kv)
kvik_test(kv/test_kv_random kv)
kvik_test(kv/test_kv_room kv)
