#pragma once

#include <string>

#include "base/errc.hpp"
#include "hive/v1/task.pb.h"

namespace hive::core {

/// The table of allowed transitions. No state is its own successor.
bool is_allowed(v1::TaskState from, v1::TaskState to);
/// The part of the table that a client may use with update_task_status.
bool is_allowed_by_client(v1::TaskState from, v1::TaskState to);

constexpr bool is_final(v1::TaskState state) {
  return state == v1::TASK_STATE_COMPLETED || state == v1::TASK_STATE_FAILED || state == v1::TASK_STATE_CANCELED ||
         state == v1::TASK_STATE_SKIPPED;
}
/// Leased or running: it has a row in table::lease.
constexpr bool is_held(v1::TaskState state) {
  return state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING;
}

/// "queued", for messages; "unknown" outside the enum.
std::string to_string(v1::TaskState state);

/// failed_precondition that names both states.
error forbidden_transition(v1::TaskState from, v1::TaskState to);

}  // namespace hive::core
