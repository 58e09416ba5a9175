# Benchmarks: programs that print what a part does against the machine's limit; see `make bench`.
add_executable(bench_kernels bench/bench_kernels.c bench/bench.c)
target_link_libraries(bench_kernels PRIVATE kvik_kernels kvik_base)
add_executable(bench_model bench/bench_model.c bench/bench.c)
target_link_libraries(bench_model PRIVATE kvik_model kvik_format kvik_base)
add_executable(bench_token bench/bench_token.c bench/bench.c)
target_link_libraries(bench_token PRIVATE kvik_engine)
add_executable(bench_sched bench/bench_sched.c bench/bench.c)
target_link_libraries(bench_sched PRIVATE kvik_kernels kvik_sched)
