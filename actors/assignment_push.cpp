#include "actors/assignment_push.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "actors/interfaces.hpp"

namespace hive {
namespace {

/// One AssignTasks holds no more than this, unless a single assignment is larger.
constexpr std::uint64_t assign_bytes_max = 1 << 20;
constexpr int assign_items_max = 1000;

void push_assignments(const session_table& sessions, std::vector<core::assignment>& assignments) {
  std::stable_sort(
      assignments.begin(), assignments.end(),
      [](const core::assignment& left, const core::assignment& right) { return left.worker < right.worker; });
  std::optional<session_table::session> session;
  v1::AssignTasks message;
  std::uint64_t bytes = 0;
  worker_id receiver;
  const auto send_message = [&] {
    if (message.assignments_size() > 0 && session) {
      caf::anon_send(caf::actor_cast<worker_session_actor>(session->actor), std::move(message));
    }
    message.Clear();
    bytes = 0;
  };
  for (auto& value : assignments) {
    const std::uint64_t size = value.message.ByteSizeLong();
    if (value.worker != receiver) {
      send_message();
      receiver = value.worker;
      // No session: the worker's connection is gone; its grace period decides what becomes of the lease.
      session = sessions.find(receiver);
    } else if (bytes + size > assign_bytes_max || message.assignments_size() >= assign_items_max) {
      send_message();
    }
    bytes += size;
    message.add_assignments()->Swap(&value.message);
  }
  send_message();
}

void push_revocations(const session_table& sessions, const std::vector<core::revocation>& revocations) {
  std::map<std::pair<worker_id, v1::Reason>, v1::CancelAssignments> messages;
  for (const auto& value : revocations) {
    auto& message = messages[{value.worker, value.reason}];
    message.set_message(v1::Reason_Name(value.reason));
    auto& task = *message.add_tasks();
    task.set_task_id(value.task.value);
    task.set_attempt(static_cast<std::uint32_t>(value.attempt_number.value));
  }
  for (auto& [receiver, message] : messages) {
    const auto session = sessions.find(receiver.first);
    if (session) caf::anon_send(caf::actor_cast<worker_session_actor>(session->actor), std::move(message));
  }
}

}  // namespace

void push_to_sessions(const service_context& context, core::effects& effects,
                      std::chrono::steady_clock::time_point arrived_at) {
  const std::size_t assigned = effects.assignments.size();
  if (assigned > 0) push_assignments(*context.sessions, effects.assignments);
  if (!effects.revocations.empty()) push_revocations(*context.sessions, effects.revocations);
  effects.assignments.clear();
  effects.revocations.clear();
  if (context.probe == nullptr || assigned == 0) return;
  const auto latency = std::chrono::steady_clock::now() - arrived_at;
  for (std::size_t i = 0; i < assigned; ++i) context.probe->assignment_pushed(latency);
}

}  // namespace hive
