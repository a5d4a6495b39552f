#pragma once

#include <cstdint>

namespace hive::core {

/// Grows with every change of what a command does to the tables: nodes of one cluster apply the same log, so they must
/// have the same rules. tests/core/rules_version_test.cpp notices a change.
inline constexpr std::uint32_t rules_version = 1;

}  // namespace hive::core
