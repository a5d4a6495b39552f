#include "client/plan_upload.hpp"

#include <utility>

namespace hive {
namespace {

constexpr std::size_t part_bytes_max = 900UL * 1024;
constexpr int restarts_max = 5;
/// The last part is answered when the whole plan is checked and durable.
constexpr std::chrono::milliseconds last_part_timeout{600'000};

/// One upload; kept alive by the callback of the part that is on its way.
class plan_upload : public std::enable_shared_from_this<plan_upload> {
 public:
  plan_upload(const std::shared_ptr<channel>& owner, v1::CreatePlanRequest plan,
              std::function<void(result<v1::CreatePlanResponse>)> done)
      : owner_(owner), plan_(std::move(plan)), done_(std::move(done)) {}

  void start() {
    upload_id_ = random_number() | 1;
    part_ = 0;
    next_step_ = 0;
    next_need_ = 0;
    is_within_step_ = false;
    send_part();
  }

 private:
  void send_part() {
    const auto owner = owner_.lock();
    if (!owner) return done_(error{errc::unavailable, "the client was closed", {}});
    v1::UploadPlanPartRequest request;
    request.set_upload_id(upload_id_);
    request.set_part(part_);
    std::size_t bytes = 0;
    if (part_ == 0) {
      set_head(*request.mutable_head());
      bytes = request.head().ByteSizeLong();
    }
    const auto& steps = plan_.document().steps();
    while (next_step_ < steps.size() && !is_within_step_) {
      const std::size_t size = steps[next_step_].ByteSizeLong() + 8;
      if (bytes + size > part_bytes_max) break;
      *request.add_steps() = steps[next_step_++];
      bytes += size;
    }
    // A step that is larger than a part begins one.
    if (request.steps().empty() && next_step_ < steps.size()) add_piece(request, steps[next_step_]);
    const bool is_last = next_step_ == steps.size();
    request.set_is_last(is_last);
    ++part_;
    // The node takes a part that it has already as done, so each part may be repeated.
    owner->start<v1::UploadPlanPartResponse>(
        front::plan_supervisor, std::move(request), repeat::always,
        [self = shared_from_this()](result<v1::UploadPlanPartResponse> reply) { self->on_reply(std::move(reply)); },
        is_last ? last_part_timeout : std::chrono::milliseconds{0});
  }

  /// As many of its needs as fit, behind its other fields or behind the needs of the part before.
  void add_piece(v1::UploadPlanPartRequest& request, const v1::PlanStepSpec& step) {
    request.set_continues_last_step(is_within_step_);
    auto& piece = *request.add_steps();
    if (!is_within_step_) {
      piece = step;
      piece.clear_needs();
    }
    std::size_t bytes = piece.ByteSizeLong();
    while (next_need_ < step.needs_size() && bytes + step.needs(next_need_).size() + 8 <= part_bytes_max) {
      bytes += step.needs(next_need_).size() + 8;
      piece.add_needs(step.needs(next_need_++));
    }
    is_within_step_ = next_need_ < step.needs_size();
    if (is_within_step_) return;
    next_need_ = 0;
    ++next_step_;
  }

  void set_head(v1::CreatePlanRequest& head) const {
    head.set_parent_task_id(plan_.parent_task_id());
    if (plan_.has_parent_spec()) *head.mutable_parent_spec() = plan_.parent_spec();
    head.set_idempotency_key(plan_.idempotency_key());
    head.mutable_document()->set_name(plan_.document().name());
    head.mutable_document()->set_failure_policy(plan_.document().failure_policy());
    head.mutable_document()->set_deadline_ms(plan_.document().deadline_ms());
  }

  void on_reply(result<v1::UploadPlanPartResponse> reply) {
    if (!reply) {
      // Another node, or this one after a restart, does not know the parts that were sent before.
      const bool is_unknown = reply.failure().code == errc::failed_precondition && reply.failure().field == "upload_id";
      if (is_unknown && restarts_++ < restarts_max) return start();
      return done_(reply.failure());
    }
    if (next_step_ < plan_.document().steps_size()) return send_part();
    done_(std::move(*reply->mutable_plan()));
  }

  std::weak_ptr<channel> owner_;
  v1::CreatePlanRequest plan_;
  std::function<void(result<v1::CreatePlanResponse>)> done_;
  std::uint64_t upload_id_ = 0;
  std::uint32_t part_ = 0;
  int next_step_ = 0;
  int next_need_ = 0;  // of the step that is on its way in pieces
  bool is_within_step_ = false;
  int restarts_ = 0;
};

}  // namespace

void upload_plan(const std::shared_ptr<channel>& owner, v1::CreatePlanRequest plan,
                 std::function<void(result<v1::CreatePlanResponse>)> done) {
  if (plan.ByteSizeLong() <= part_bytes_max) {
    owner->start<v1::CreatePlanResponse>(front::plan_supervisor, std::move(plan), repeat::always, std::move(done));
    return;
  }
  std::make_shared<plan_upload>(owner, std::move(plan), std::move(done))->start();
}

}  // namespace hive
