kvik_test(cli/test_opts cli)
kvik_test(cli/test_ids_npy cli)
