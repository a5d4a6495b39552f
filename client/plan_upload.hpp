#pragma once

#include <functional>
#include <memory>

#include "client/channel.hpp"

namespace hive {

/// Sends the plan whole, or in parts if it is larger than about 900 KiB, and answers when it is durable. The head's
/// idempotency key must be set: a lost upload starts again from its first part, and creates once.
void upload_plan(const std::shared_ptr<channel>& owner, v1::CreatePlanRequest plan,
                 std::function<void(result<v1::CreatePlanResponse>)> done);

}  // namespace hive
