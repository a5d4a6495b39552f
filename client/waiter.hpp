#pragma once

#include <functional>
#include <memory>

#include "client/channel.hpp"
#include "client/types.hpp"

namespace hive {

/// Answers the task once it is final: looks at once, then at each event that ends it, and now and then in case an
/// event was missed. deadline_exceeded after `timeout`; any failure of a look ends the wait.
void wait_for_task(const std::shared_ptr<channel>& owner, task_id id, milliseconds timeout,
                   std::function<void(result<v1::Task>)> done);
/// The same for a plan.
void wait_for_plan(const std::shared_ptr<channel>& owner, plan_id id, milliseconds timeout,
                   std::function<void(result<v1::Plan>)> done);

}  // namespace hive
