kvik_test(chat/test_forge chat token)
