#include "s3/ca_roots.h"

// The assembler takes the file in as it is; HR_CA_FILE is set by CMake.
asm(R"(
  .section .rodata
  .global hr_ca_roots_begin
  .global hr_ca_roots_end
hr_ca_roots_begin:
  .incbin ")" HR_CA_FILE R"("
hr_ca_roots_end:
  .byte 0
  .previous
)");

extern "C" const char hr_ca_roots_begin[];
extern "C" const char hr_ca_roots_end[];

namespace headrace::s3 {

std::string_view built_in_ca_roots() {
  return {hr_ca_roots_begin, static_cast<std::size_t>(hr_ca_roots_end - hr_ca_roots_begin)};
}

}  // namespace headrace::s3
