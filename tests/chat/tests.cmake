kvik_test(chat/test_templates chat)
kvik_test(chat/test_answer chat)
kvik_test(chat/test_forge chat token)
