#pragma once

#include <cstdint>

#include "core/limits.hpp"

namespace hive {

/// Of the limits that core applies. They must be the same on all nodes of a cluster, or the same log would give
/// different states.
std::uint64_t settings_digest_of(const core::core_limits& limits);

}  // namespace hive
