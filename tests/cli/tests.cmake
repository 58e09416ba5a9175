kvik_test(cli/test_opts cli)
