kvik_test(format/test_gguf format)
kvik_test(format/test_synthetic format kernels model)
