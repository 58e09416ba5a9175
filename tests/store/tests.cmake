kvik_test(store/test_store store)
kvik_test(store/test_store_faults store)
kvik_test(store/test_store_crash store)
kvik_threads(test_store)
# From random seeds, in `make test-long`: a thousand ends by kill -9; many more steps on a disk that fails.
add_test(NAME test_store_thousand_crashes COMMAND test_store_crash CONFIGURATIONS long)
set_tests_properties(test_store_thousand_crashes PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT KVIK_STEPS=1000)
add_test(NAME test_store_faults_long COMMAND test_store_faults CONFIGURATIONS long)
set_tests_properties(test_store_faults_long PROPERTIES LABELS long TIMEOUT 1800 ENVIRONMENT KVIK_STEPS=20000)
