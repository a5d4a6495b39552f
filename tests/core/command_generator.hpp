#pragma once

#include <cstdint>

#include "tests/core/task_model.hpp"

namespace hive::test {

/// splitmix64: the same sequence on every platform, unlike the distributions of <random>.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// 0 to count - 1; 0 if count is 0.
  std::uint64_t below(std::uint64_t count) { return count == 0 ? 0 : next() % count; }
  bool is_one_in(std::uint64_t count) { return below(count) == 0; }

 private:
  std::uint64_t state_;
};

/// Makes up commands that mostly mean something in the model's present state, and sometimes do not: unknown ids, stale
/// attempts and sessions, malformed fields, times that go back.
class command_generator {
 public:
  /// `has_step_timers`: steps and plans may have timeouts and deadlines.
  command_generator(random_source& random, const task_model& model, bool has_step_timers)
      : random_(random), model_(model), has_step_timers_(has_step_timers), is_about_one_plan_(random.is_one_in(3)) {}

  v1::Command next();

 private:
  v1::Command next_of_plan();
  std::uint64_t some_task();
  std::uint64_t some_held_task();
  std::uint64_t some_worker();
  std::uint64_t some_plan();
  v1::TaskSpec some_spec();
  v1::PlannedStep some_step(std::uint32_t index);
  void fill_create(v1::CreateTask& command);
  void fill_update(v1::UpdateTaskStatus& command);
  void fill_report(v1::Command& command);
  void fill_register(v1::RegisterWorker& command);
  void fill_offer(v1::OfferSlots& command);
  void fill_begin(v1::BeginPlan& command);
  void fill_create_plan(v1::CreatePlan& command);
  void fill_append(v1::AppendSteps& command);
  void fill_plan_command(v1::Command& command);
  void fill_worker_command(v1::Command& command);
  void fill_task_command(v1::Command& command);

  random_source& random_;
  const task_model& model_;
  bool has_step_timers_;
  bool is_about_one_plan_;
  std::int64_t time_ = 1'000'000;
};

}  // namespace hive::test
