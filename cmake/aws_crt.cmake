# The AWS Common Runtime, static, as `hr_aws_crt`: from the `awscrt` source distribution, built by tools/build-crt.
if(HR_SANITIZE STREQUAL "thread")
  set(aws_crt_flag -fsanitize=thread)
endif()
execute_process(COMMAND ${CMAKE_SOURCE_DIR}/tools/build-crt ${aws_crt_flag}
                OUTPUT_VARIABLE aws_crt OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE aws_crt_failed)
if(aws_crt_failed)
  message(FATAL_ERROR "the AWS Common Runtime is not there: see above")
endif()

add_library(hr_aws_crt INTERFACE)
target_include_directories(hr_aws_crt SYSTEM INTERFACE ${aws_crt}/include)
# Each before what it uses.
foreach(part aws-c-s3 aws-c-auth aws-c-http aws-c-compression aws-c-sdkutils aws-c-io s2n aws-c-cal aws-checksums aws-c-common)
  target_link_libraries(hr_aws_crt INTERFACE ${aws_crt}/lib/lib${part}.a)
endforeach()
target_link_libraries(hr_aws_crt INTERFACE OpenSSL::Crypto Threads::Threads ${CMAKE_DL_LIBS})
# Found in engine/s3/runtime.cc, which says why.
target_link_options(hr_aws_crt INTERFACE -Wl,--wrap=X509_STORE_set_default_paths)
