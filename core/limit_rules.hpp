#pragma once

#include "core/limits.hpp"
#include "hive/v1/command.pb.h"

namespace hive::core {

/// The command that makes these the limits of the rules. Values above INT64_MAX become INT64_MAX.
v1::SetLimits set_limits(const core_limits& limits);

}  // namespace hive::core
