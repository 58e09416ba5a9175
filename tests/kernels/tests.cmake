kvik_test(kernels/test_kernels kernels)
kvik_test(kernels/test_attention kernels)
kvik_test(kernels/test_dequant kernels)
kvik_test(kernels/test_recurrent kernels)
