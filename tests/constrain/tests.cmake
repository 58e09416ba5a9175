kvik_test(constrain/test_cases constrain)
kvik_test(constrain/test_masks constrain)
kvik_test(constrain/test_grammars constrain)
