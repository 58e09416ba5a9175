# Instruction sets of the CPU levels; which one runs is decided at run time (kernels.c).
# The vector levels are built without sanitizers, which would take minutes over code that is all inlined: the scalar level
# is the same source with them, and the tests of the others end their buffers at guard pages.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 "-mavx2 -mfma -mf16c")
  if(KVIK_SANITIZE)
    string(APPEND avx2 " -fno-sanitize=all")
  endif()
  set_source_files_properties(src/kernels/level_avx2.c PROPERTIES COMPILE_FLAGS "${avx2}")
  set_source_files_properties(src/kernels/level_avx512.c PROPERTIES COMPILE_FLAGS
    "${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512")
endif()
