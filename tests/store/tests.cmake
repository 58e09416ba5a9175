kvik_test(store/test_store store)
kvik_threads(test_store)
