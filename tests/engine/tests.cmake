kvik_test(engine/test_stop engine)
kvik_test(engine/test_vocab_load engine)
kvik_test(engine/test_session engine)
kvik_test(engine/test_engine engine)
