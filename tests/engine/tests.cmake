kvik_test(engine/test_stop engine)
