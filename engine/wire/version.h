#pragma once

namespace headrace::wire {

/// Of docs/formats/wire.md; equal to `WIRE_VERSION` of the SDK, since both come from one wheel.
inline constexpr int kWireVersion = 1;

}  // namespace headrace::wire
