#include "client/lanes.hpp"

namespace hive {
namespace {

/// True if this update has been made: by its state, its attempt and the mark that clients leave.
bool is_made(const v1::TaskStatusUpdate& wanted, const v1::TaskStatus& status) {
  if (status.state() != wanted.state()) return false;
  const bool is_start = wanted.state() == v1::TASK_STATE_RUNNING;
  // Who starts a task names the attempt before, and makes the next one.
  const std::uint32_t attempt = wanted.attempt() + (is_start ? 1 : 0);
  if (wanted.attempt() != 0 && status.attempt() != attempt) return false;
  return status.reason() == (is_start ? v1::REASON_DRIVEN_BY_CLIENT : v1::REASON_UPDATED_BY_CLIENT);
}

}  // namespace

void confirm_update(batcher<get_policy>& reader, const v1::TaskStatusUpdate& wanted, error refusal,
                    std::function<void(result<v1::TaskResultItem>)> done) {
  reader.add({wanted.task_id(), false, false},
             [wanted, refusal = std::move(refusal), done = std::move(done)](const result<v1::GetTaskItem>& reply) {
               if (!reply || !is_made(wanted, reply->task().status())) return done(refusal);
               v1::TaskResultItem item;
               item.set_task_id(wanted.task_id());
               item.set_state(reply->task().status().state());
               item.set_attempt(reply->task().status().attempt());
               item.set_is_replay(true);
               done(std::move(item));
             });
}

}  // namespace hive
