# Instruction sets of the CPU levels; which one runs is decided at run time (kernels.c).
# The levels are built without sanitizers, which take minutes over code that is all inlined: their tests end every buffer
# at a guard page instead, in every build.
if(KVIK_SANITIZE)
  set(plain "-fno-sanitize=all")
endif()
set_source_files_properties(src/kernels/level_scalar.c PROPERTIES COMPILE_FLAGS "${plain}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 "${plain} -mavx2 -mfma -mf16c")
  set_source_files_properties(src/kernels/level_avx2.c PROPERTIES COMPILE_FLAGS "${avx2}")
  set_source_files_properties(src/kernels/level_avx512.c PROPERTIES COMPILE_FLAGS
    "${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512")
endif()
