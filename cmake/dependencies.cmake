# Everything from outside: Debian packages, and ISA-L and the AWS Common Runtime from source distributions (tools/fetch-sources).
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(Boost 1.81 REQUIRED)
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL REQUIRED)

add_library(hr_fmt INTERFACE)
target_link_libraries(hr_fmt INTERFACE fmt::fmt-header-only)

add_library(hr_json INTERFACE)
target_link_libraries(hr_json INTERFACE nlohmann_json::nlohmann_json)

# Asio and Beast, header only; nothing of Boost is linked.
add_library(hr_asio INTERFACE)
target_include_directories(hr_asio SYSTEM INTERFACE ${Boost_INCLUDE_DIRS})
target_compile_definitions(hr_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_REGEX)
target_link_libraries(hr_asio INTERFACE Threads::Threads)

add_library(hr_crypto INTERFACE)
target_link_libraries(hr_crypto INTERFACE OpenSSL::Crypto)

add_library(hr_tls INTERFACE)
target_link_libraries(hr_tls INTERFACE OpenSSL::SSL OpenSSL::Crypto)

# The archive by its name: Debian's package has both kinds, and its CMake target is the shared one.
find_path(HR_YAML_INCLUDE yaml-cpp/yaml.h REQUIRED)
find_library(HR_YAML_LIBRARY libyaml-cpp.a REQUIRED)
add_library(hr_yaml INTERFACE)
target_include_directories(hr_yaml SYSTEM INTERFACE ${HR_YAML_INCLUDE})
target_link_libraries(hr_yaml INTERFACE ${HR_YAML_LIBRARY})

include(isal)
include(aws_crt)

if(HR_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()
