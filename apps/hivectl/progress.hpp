#pragma once

#include <optional>

#include "apps/hivectl/session.hpp"

namespace hive::hivectl {

/// Shows a task on stderr until it is final or `limit_ms` (0: none) is over: one line that is redrawn on a terminal, a
/// line a change elsewhere. Quiet if `is_shown` is false. deadline_exceeded at the limit.
result<v1::Task> watch_task(client& connection, task_id id, std::int64_t limit_ms, bool is_shown);

/// The same for a plan, with a bar, its counts and, on a terminal, the steps that run.
result<v1::Plan> watch_plan(client& connection, plan_id id, std::int64_t limit_ms, bool is_shown);

/// "12/20 steps, 3 running, 1 failed".
std::string describe_counts(const v1::Plan& plan);

/// "[#####.....]" for a share of 0..1.
std::string progress_bar(double share, std::size_t width);

}  // namespace hive::hivectl
