kvik_test(tmpl/test_tmpl tmpl)
add_executable(tmpl_driver tests/tmpl/tmpl_driver.c)
target_link_libraries(tmpl_driver PRIVATE kvik_flags kvik_tmpl)
kvik_test(tmpl/test_origin tmpl)
