#pragma once

#include <cstdint>

#include "base/ids.hpp"
#include "core/limits.hpp"
#include "hive/v1/task.pb.h"

namespace hive::core {

/// Attempts that a task has; the default if the policy says 0.
std::uint32_t attempts_of(const v1::RetryPolicy& policy, const core_limits& limits);

/// Delay before the next attempt after `failures` (from 1) failed ones: min(max, initial * multiplier^(failures-1)),
/// less the jitter: a hash of task and attempt, so that every node gets the same. Integers only, no overflow.
std::int64_t backoff_ms(const v1::RetryPolicy& policy, const core_limits& limits, std::uint32_t failures, task_id id,
                        std::uint32_t attempt_number);

}  // namespace hive::core
