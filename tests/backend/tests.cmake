kvik_test(backend/test_attn_plan backend)

# Tests of other suites once more, on a device whose memory the host cannot read and whose work is done at the end of a
# step (far.c): kvik_far(NAME ROOM ARGUMENTS...) makes tests/NAME.c the test NAME_far.
function(kvik_far name room)
  get_filename_component(exe ${name} NAME)
  set(exe ${exe}_far)
  add_executable(${exe} tests/${name}.c tests/backend/far.c)
  target_link_libraries(${exe} PRIVATE kvik_flags PkgConfig::CMOCKA kvik_${room})
  target_include_directories(${exe} PRIVATE tests)
  target_link_options(${exe} PRIVATE LINKER:--wrap=backend_cpu)
  add_test(NAME ${exe} COMMAND ${exe} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
kvik_far(backend/test_seam backend)
kvik_far(model/test_models model)
kvik_far(engine/test_hashes engine --best)
kvik_far(engine/test_session engine CONFIGURATIONS long)
kvik_far(engine/test_engine engine CONFIGURATIONS long)
set_tests_properties(test_session_far test_engine_far PROPERTIES LABELS long)
