#include "core/task_state.hpp"

#include <array>
#include <cstdint>

namespace hive::core {
namespace {

constexpr std::size_t state_count = 10;

constexpr std::uint32_t mask() { return 0; }
template <class... Rest>
constexpr std::uint32_t mask(v1::TaskState first, Rest... rest) {
  return (1U << static_cast<unsigned>(first)) | mask(rest...);
}

using enum v1::TaskState;

struct transition_row {
  v1::TaskState from;
  std::uint32_t rules;    // successors that the rules may choose
  std::uint32_t clients;  // of these, what a client may choose with update_task_status; canceling goes by cancel
};

// A plan's parent goes to running from any waiting state, and back to it when its plan is retried.
constexpr std::array<transition_row, state_count> rows{{
    {TASK_STATE_UNSPECIFIED, mask(TASK_STATE_SCHEDULED, TASK_STATE_BLOCKED, TASK_STATE_QUEUED), mask()},
    {TASK_STATE_SCHEDULED,
     mask(TASK_STATE_BLOCKED, TASK_STATE_QUEUED, TASK_STATE_RUNNING, TASK_STATE_FAILED, TASK_STATE_CANCELED,
          TASK_STATE_SKIPPED),
     mask(TASK_STATE_CANCELED)},
    {TASK_STATE_BLOCKED,
     mask(TASK_STATE_SCHEDULED, TASK_STATE_QUEUED, TASK_STATE_RUNNING, TASK_STATE_FAILED, TASK_STATE_CANCELED,
          TASK_STATE_SKIPPED),
     mask(TASK_STATE_CANCELED)},
    {TASK_STATE_QUEUED,
     mask(TASK_STATE_SCHEDULED, TASK_STATE_BLOCKED, TASK_STATE_LEASED, TASK_STATE_RUNNING, TASK_STATE_FAILED,
          TASK_STATE_CANCELED, TASK_STATE_SKIPPED),
     mask(TASK_STATE_RUNNING, TASK_STATE_CANCELED)},
    {TASK_STATE_LEASED,
     mask(TASK_STATE_SCHEDULED, TASK_STATE_QUEUED, TASK_STATE_RUNNING, TASK_STATE_FAILED, TASK_STATE_CANCELED),
     mask(TASK_STATE_COMPLETED, TASK_STATE_FAILED, TASK_STATE_CANCELED)},
    {TASK_STATE_RUNNING,
     mask(TASK_STATE_SCHEDULED, TASK_STATE_QUEUED, TASK_STATE_COMPLETED, TASK_STATE_FAILED, TASK_STATE_CANCELED),
     mask(TASK_STATE_QUEUED, TASK_STATE_COMPLETED, TASK_STATE_FAILED, TASK_STATE_CANCELED)},
    {TASK_STATE_COMPLETED, mask(), mask()},
    {TASK_STATE_FAILED, mask(TASK_STATE_SCHEDULED, TASK_STATE_BLOCKED, TASK_STATE_QUEUED, TASK_STATE_RUNNING), mask()},
    {TASK_STATE_CANCELED, mask(TASK_STATE_SCHEDULED, TASK_STATE_BLOCKED, TASK_STATE_QUEUED, TASK_STATE_RUNNING),
     mask()},
    {TASK_STATE_SKIPPED, mask(TASK_STATE_SCHEDULED, TASK_STATE_BLOCKED, TASK_STATE_QUEUED), mask()},
}};

constexpr bool are_rows_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<std::size_t>(rows[i].from) != i) return false;
  }
  return true;
}
static_assert(are_rows_in_order());

constexpr std::array<const char*, state_count> names{"unspecified", "scheduled", "blocked", "queued",   "leased",
                                                     "running",     "completed", "failed",  "canceled", "skipped"};

bool has_bit(std::uint32_t successors, v1::TaskState to) {
  return static_cast<std::size_t>(to) < state_count && ((successors >> static_cast<unsigned>(to)) & 1U) != 0;
}

}  // namespace

bool is_allowed(v1::TaskState from, v1::TaskState to) {
  const auto row = static_cast<std::size_t>(from);
  return row < rows.size() && has_bit(rows[row].rules, to);
}

bool is_allowed_by_client(v1::TaskState from, v1::TaskState to) {
  const auto row = static_cast<std::size_t>(from);
  return row < rows.size() && has_bit(rows[row].clients, to);
}

std::string to_string(v1::TaskState state) {
  const auto row = static_cast<std::size_t>(state);
  return row < names.size() ? names[row] : "unknown";
}

error forbidden_transition(v1::TaskState from, v1::TaskState to) {
  return {errc::failed_precondition, "the task is " + to_string(from) + " and cannot become " + to_string(to), {}};
}

}  // namespace hive::core
