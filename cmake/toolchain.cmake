# Language level, warnings, sanitizers, and how things are linked.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(HR_CCACHE ccache)
if(HR_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${HR_CCACHE})
endif()
find_program(HR_MOLD mold)
if(HR_MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fcoroutines)
  # GCC 12 reports these inside its own and Boost's headers at -O2.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                      -Wno-mismatched-new-delete)
endif()
if(HR_SANITIZE)
  add_compile_options(-fsanitize=${HR_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${HR_SANITIZE})
  if(HR_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio has fences, which TSan does not follow; its locks are what orders things.
  endif()
  if(HR_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      add_compile_options(-fno-sanitize=function)  # what it puts before functions, clang 14 cannot put before coroutines
    endif()
  endif()
elseif(HR_STATIC)
  add_link_options(-static -s)  # stripped: pods carry it
endif()
if(HR_FUZZ AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # The fuzzers steer by what the libraries under them do.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
