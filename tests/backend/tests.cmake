kvik_test(backend/test_attn_plan backend)
