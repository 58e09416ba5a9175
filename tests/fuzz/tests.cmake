# Fuzz targets, one per parser of outside bytes: tests/fuzz/NAME.c defines LLVMFuzzerTestOneInput, tests/fuzz/corpus/NAME
# has its seeds. With KVIK_FUZZ (clang; `make fuzz`) they are libFuzzer programs; otherwise each replays its corpus as a
# test.
add_custom_target(fuzz_all)
if(KVIK_FUZZ)
  target_compile_options(kvik_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# kvik_fuzz(NAME ROOMS...)
function(kvik_fuzz name)
  add_executable(${name} tests/fuzz/${name}.c)
  target_link_libraries(${name} PRIVATE kvik_flags)
  foreach(room ${ARGN})
    target_link_libraries(${name} PRIVATE kvik_${room})
  endforeach()
  if(KVIK_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzz_all ${name})
  else()
    target_sources(${name} PRIVATE tests/fuzz/replay.c)
    add_test(NAME ${name} COMMAND ${name} tests/fuzz/corpus/${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  endif()
endfunction()

kvik_fuzz(fuzz_gguf model format token)
# the one file of the engine that reads metadata; the whole engine would make the target slow to build
target_sources(fuzz_gguf PRIVATE src/engine/vocab_load.c)
kvik_fuzz(fuzz_safetensors format)
kvik_fuzz(fuzz_hf_config model format)
kvik_fuzz(fuzz_tokenizer_json token)
kvik_fuzz(fuzz_vocab_text token)
kvik_fuzz(fuzz_jinja tmpl)
kvik_fuzz(fuzz_api api engine)
kvik_fuzz(fuzz_sse http)
