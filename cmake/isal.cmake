# ISA-L (igzip and its checksums), static, as `hr_isal`: from the `isal` source distribution that tools/fetch-sources gets.
enable_language(C)
execute_process(COMMAND ${CMAKE_SOURCE_DIR}/tools/fetch-sources isal
                OUTPUT_VARIABLE isal_folder OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE isal_failed)
if(isal_failed)
  message(FATAL_ERROR "the sources of ISA-L are not there: see above")
endif()
set(isal_root ${isal_folder}/src/isal/isa-l)

set(isal_sources
  igzip/igzip.c igzip/hufftables_c.c igzip/igzip_base.c igzip/igzip_icf_base.c igzip/adler32_base.c igzip/flatten_ll.c
  igzip/encode_df.c igzip/igzip_icf_body.c igzip/huff_codes.c igzip/igzip_inflate.c crc/crc_base.c crc/crc64_base.c)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  find_program(HR_NASM nasm)
  if(NOT HR_NASM)
    message(FATAL_ERROR "nasm is missing, which assembles ISA-L (Debian: apt-get install nasm)")
  endif()
  set(CMAKE_ASM_NASM_COMPILER ${HR_NASM})
  enable_language(ASM_NASM)
  file(GLOB isal_crc RELATIVE ${isal_root} ${isal_root}/crc/*.asm)
  list(APPEND isal_sources
    igzip/igzip_body.asm igzip/igzip_finish.asm igzip/igzip_icf_body_h1_gr_bt.asm igzip/igzip_icf_finish.asm
    igzip/rfc1951_lookup.asm igzip/adler32_sse.asm igzip/adler32_avx2_4.asm igzip/igzip_multibinary.asm
    igzip/igzip_update_histogram_01.asm igzip/igzip_update_histogram_04.asm igzip/igzip_decode_block_stateless_01.asm
    igzip/igzip_decode_block_stateless_04.asm igzip/igzip_inflate_multibinary.asm igzip/encode_df_04.asm
    igzip/encode_df_06.asm igzip/proc_heap.asm igzip/igzip_deflate_hash.asm igzip/igzip_gen_icf_map_lh1_04.asm
    igzip/igzip_gen_icf_map_lh1_06.asm igzip/igzip_set_long_icf_fg_04.asm igzip/igzip_set_long_icf_fg_06.asm
    ${isal_crc})
else()
  list(APPEND isal_sources igzip/igzip_base_aliases.c igzip/proc_heap_base.c crc/crc_base_aliases.c)
endif()
list(TRANSFORM isal_sources PREPEND ${isal_root}/)

add_library(hr_isal_objects STATIC ${isal_sources})
target_include_directories(hr_isal_objects PRIVATE ${isal_root}/include ${isal_root}/igzip ${isal_root}/crc)
# Somebody else's code: our warnings and sanitizers do not apply, and the assembler knows no compiler options.
set_property(TARGET hr_isal_objects PROPERTY COMPILE_OPTIONS "")
target_compile_options(hr_isal_objects PRIVATE $<$<COMPILE_LANGUAGE:C>:-O2;-fPIC;-w>)
target_compile_definitions(hr_isal_objects PRIVATE $<$<COMPILE_LANGUAGE:ASM_NASM>:AS_FEATURE_LEVEL=10>
                           $<$<COMPILE_LANGUAGE:ASM_NASM>:HAVE_AS_KNOWS_AVX512>)

add_library(hr_isal INTERFACE)
target_include_directories(hr_isal SYSTEM INTERFACE ${isal_root}/include)
target_link_libraries(hr_isal INTERFACE hr_isal_objects)
