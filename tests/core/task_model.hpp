#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/errc.hpp"
#include "core/keys.hpp"
#include "core/limits.hpp"
#include "hive/v1/command.pb.h"

/// The state machine's rules once more, as simply as they can be written: maps of tasks, plans and workers, no index,
/// no cache, everything found by looking at everything. Follows the documents, not the code of core/.
namespace hive::test {

struct model_task {
  v1::TaskSpec spec;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
  v1::Reason cancel_reason = v1::REASON_UNSPECIFIED;
  std::uint32_t attempt = 0;
  std::uint64_t worker = 0;
  std::uint32_t failures = 0;
  std::uint32_t workers_lost = 0;
  bool is_cancel_requested = false;
  bool is_parent = false;
  std::int64_t created = 0;
  std::int64_t queued = 0;
  std::int64_t leased = 0;
  std::int64_t finished = 0;
  std::int64_t due = 0;
  std::uint64_t plan = 0;
  std::vector<std::uint64_t> needs;  // tasks
};

struct model_worker {
  v1::WorkerSpec spec;
  v1::WorkerState state = v1::WORKER_STATE_UNSPECIFIED;
  std::uint64_t session = 0;
  std::int64_t ended = 0;
};

struct model_plan {
  v1::PlanState state = v1::PLAN_STATE_UNSPECIFIED;
  bool is_fail_fast = true;
  std::uint64_t first_step = 0;
  std::uint32_t step_count = 0;
  std::string idempotency_key;
  std::int64_t deadline = 0;                   // 0: none
  v1::Reason reason = v1::REASON_UNSPECIFIED;  // why it fails or is canceled
  // While it is staged:
  bool is_staged = false;
  v1::BeginPlan begin;
  std::vector<v1::PlannedStep> arrived;
  std::vector<std::int64_t> arrived_at;
  std::int64_t drop_at = 0;
};

/// What the machine must answer.
struct expectation {
  errc code = errc::none;
  bool is_replay = false;
  std::uint64_t id = 0;  // 0: not compared
  std::vector<v1::TaskAttempt> leased;
};

class task_model {
 public:
  explicit task_model(core::core_limits limits) : limits_(limits) {}

  expectation apply(const v1::Command& command);

  [[nodiscard]] const std::map<std::uint64_t, model_task>& tasks() const { return tasks_; }
  [[nodiscard]] const std::map<std::uint64_t, model_worker>& workers() const { return workers_; }
  [[nodiscard]] const std::map<std::uint64_t, model_plan>& plans() const { return plans_; }

 private:
  // Commands.
  expectation create_task(const v1::CreateTask& command);
  expectation update_task(const v1::UpdateTaskStatus& update);
  expectation cancel_task(const v1::CancelTask& command);
  expectation retry_task(std::uint64_t id);
  expectation purge_task(std::uint64_t id);
  expectation report(std::uint64_t worker, const v1::TaskReport& report);
  expectation register_worker(const v1::RegisterWorker& command);
  expectation drain_worker(const v1::DrainWorker& command);
  expectation end_worker(const v1::EndWorker& command);
  expectation offer_slots(const v1::OfferSlots& command);
  expectation begin_plan(const v1::BeginPlan& command);
  expectation append_steps(const v1::AppendSteps& command);
  expectation commit_plan(std::uint64_t id);
  expectation create_plan(const v1::CreatePlan& command);
  expectation control_plan(const v1::ControlPlan& command);
  expectation drop_plan(std::uint64_t id);
  expectation tick();

  // Tasks.
  [[nodiscard]] model_task* visible_task(std::uint64_t id);
  std::uint64_t add_task(const v1::TaskSpec& spec);
  void make_ready(std::uint64_t id, v1::Reason reason);
  void requeue(std::uint64_t id, v1::Reason reason);
  void finish(std::uint64_t id, v1::TaskState state, v1::Reason reason);
  void set_final(std::uint64_t id, v1::TaskState state, v1::Reason reason);
  void fail_attempt(std::uint64_t id, v1::Reason reason, bool is_retryable);
  void take_away(std::uint64_t id, bool is_lost);
  void arm(std::int64_t due, core::timer_kind kind, std::uint64_t id) { timers_.emplace(due, kind, id); }
  void return_task(std::uint64_t id);
  void fire_plan_timer(core::timer_kind kind, std::uint64_t id);
  void fire_task_timer(core::timer_kind kind, std::uint64_t id);

  // Plans.
  expectation refuse_begin(const v1::BeginPlan& command);
  void go_visible(std::uint64_t id);
  void start(std::uint64_t id);
  void step_ended(std::uint64_t id);
  void release(std::uint64_t plan);
  void cancel_plan(std::uint64_t plan, v1::Reason reason);
  void settle(std::uint64_t plan);
  void step_ready(std::uint64_t id);
  bool admit(std::uint64_t id);
  std::vector<std::uint64_t> steps_of(std::uint64_t plan) const;

  core::core_limits limits_;
  std::int64_t now_ = 0;
  std::int64_t applied_ = 0;
  std::uint64_t next_task_ = 1;
  std::uint64_t next_worker_ = 1;
  std::map<std::uint64_t, model_task> tasks_;
  std::map<std::uint64_t, model_worker> workers_;
  std::map<std::uint64_t, model_plan> plans_;
  // Never disarmed: what fires for nothing does nothing.
  std::set<std::tuple<std::int64_t, core::timer_kind, std::uint64_t>> timers_;
  std::map<std::string, std::uint64_t> task_keys_;
  std::map<std::string, std::uint64_t> plan_keys_;
};

}  // namespace hive::test
