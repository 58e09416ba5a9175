kvik_test(format/test_gguf format)
