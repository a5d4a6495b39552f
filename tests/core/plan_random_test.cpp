#include <cstdlib>
#include <random>

#include "tests/core/plan_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

/// Does anything at all to one plan after another, in small chunks so that sweeps and releases overlap with
/// everything else. The same seed does the same.
class plan_storm {
 public:
  explicit plan_storm(std::uint64_t seed) : random_(seed), has_total_timeouts_(seed % 2 == 0), on(limits(random_)) {
    on.is_checking = false;  // below, after each command, with the one exception
    v1::Command second;
    second.mutable_register_worker()->mutable_spec()->set_name("other");
    on.applied(std::move(second));
  }

  void run(int commands) {
    create();
    for (int i = 0; i < commands; ++i) {
      act();
      expect_consistent();
      // Nothing may be lost on the way: whatever was done to it, the plan can still be brought to its end.
      if (below(40) == 0) finish();
    }
    finish();
  }

 private:
  static core_limits limits(std::mt19937_64& random) {
    core_limits made;
    made.sweep_steps_max = static_cast<std::uint32_t>(1 + random() % 6);
    made.release_steps_max = static_cast<std::uint32_t>(1 + random() % 4);
    made.purge_batch_max = static_cast<std::uint32_t>(1 + random() % 5);
    made.retention_ms = 1'000'000'000;
    return made;
  }
  // No distribution: their results differ between libraries.
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void create() {
    const int count = static_cast<int>(1 + below(14));
    std::vector<plan_fixture::step> steps;
    for (int i = 0; i < count; ++i) {
      plan_fixture::step made{"s" + std::to_string(i)};
      for (int need = 0; need < i; ++need) {
        if (below(4) == 0) made.needs.push_back("s" + std::to_string(need));
      }
      steps.push_back(std::move(made));
    }
    auto document =
        plan_fixture::document(steps, below(2) == 0 ? v1::FAILURE_POLICY_CONTINUE : v1::FAILURE_POLICY_FAIL_FAST);
    for (auto& step : *document.mutable_steps()) {
      if (below(6) == 0) step.mutable_task()->set_not_before_unix_ms(on.now + static_cast<std::int64_t>(below(3'000)));
      if (has_total_timeouts_ && below(6) == 0)
        step.mutable_task()->mutable_timeouts()->set_total_ms(static_cast<std::int64_t>(1 + below(9'000)));
      step.mutable_task()->mutable_retry()->set_max_attempts(static_cast<std::uint32_t>(1 + below(3)));
    }
    if (below(8) == 0) document.set_deadline_ms(static_cast<std::int64_t>(1 + below(20'000)));
    on.create(std::move(document));
  }

  std::string any_step() {
    auto at = on.ids.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(below(on.ids.size())));
    return at->first;
  }

  void report_on(const std::string& name) {
    if (!is_held(name)) return;
    auto said = on.report(name);
    switch (below(6)) {
      case 0:
        said.mutable_started();
        break;
      case 1:
        said.mutable_failed()->set_is_retryable(below(2) == 0);
        break;
      case 2:
        said.mutable_canceled();
        break;
      case 3:
        said.mutable_returned()->set_is_untouched(below(2) == 0);
        break;
      default:
        said.mutable_completed()->set_result("r");
        break;
    }
    on.say(said);
  }
  [[nodiscard]] bool is_held(const std::string& name) const {
    const auto state = on.state(name);
    return (state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING) && on.status(name).worker_id() != 0;
  }

  void lose_worker() {
    v1::Command lost;
    lost.mutable_end_worker()->set_worker_id(on.worker.id());
    lost.mutable_end_worker()->set_is_lost(below(2) == 0);
    on.applied(std::move(lost));
    v1::Command back;
    back.mutable_register_worker()->mutable_spec()->set_name("w");
    back.mutable_register_worker()->mutable_spec()->set_slots(4096);
    on.worker = on.applied(std::move(back)).worker();
  }

  void drive_by_hand(const std::string& name) {
    constexpr std::array<v1::TaskState, 5> targets{v1::TASK_STATE_RUNNING, v1::TASK_STATE_COMPLETED,
                                                   v1::TASK_STATE_FAILED, v1::TASK_STATE_CANCELED,
                                                   v1::TASK_STATE_QUEUED};
    v1::Command command;
    command.mutable_update_task_status()->set_task_id(on.ids.at(name));
    command.mutable_update_task_status()->set_state(targets[below(targets.size())]);
    on.apply(std::move(command));
  }

  void act() {
    switch (below(16)) {
      case 0:
        on.pause();
        break;
      case 1:
        on.resume();
        break;
      case 2:
        if (below(3) == 0) on.cancel();
        break;
      case 3:
        on.retry();
        break;
      case 4:
        if (below(2) == 0) on.cancel_step(any_step());
        break;
      case 5:
        on.retry_step(any_step());
        break;
      case 6:
        lose_worker();
        break;
      case 7:
        drive_by_hand(any_step());
        break;
      case 8:
        on.now += static_cast<std::int64_t>(below(2'000));
        break;
      case 9:
      case 10:
        on.tick();
        break;
      case 11:
      case 12:
        on.lease(static_cast<std::uint32_t>(1 + below(4)));
        break;
      default:
        report_on(any_step());
        break;
    }
  }

  void expect_consistent() {
    // Two states that the checker takes for damage: every step has ended and only release timers are waited for,
    // and steps that the starting sweep (or the one that took its place) has not reached: it arms their timeouts.
    const v1::PlanStatus status = on.plan_status();
    const bool is_swept = status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED;
    if (status.releases_open() == 0 && !(has_total_timeouts_ && is_swept)) on.expect_consistent();
  }

  /// Everything is let go and completes.
  void finish() {
    on.resume();
    for (int round = 0; round < 200 && !is_final(); ++round) {
      on.now += 10'000;
      on.tick_all();
      on.lease();
      for (const auto& [name, id] : on.ids) {
        if (is_held(name)) on.complete(name);
        if (on.state(name) == v1::TASK_STATE_RUNNING) complete_by_hand(id);
      }
      expect_consistent();
    }
    REQUIRE(is_final());
    if (below(3) == 0) return;  // to be retried, perhaps
    const auto parent = on.plan;
    on.purge();
    on.tick_all();
    CHECK(!on.tables.inner.get(table::plan_status, key{}.u64(parent)));
    CHECK(on.tables.size(table::task_status) == 0);
    CHECK(on.tables.size(table::plan_edge) == 0);
    create();
  }
  void complete_by_hand(std::uint64_t id) {
    v1::Command command;
    command.mutable_update_task_status()->set_task_id(id);
    command.mutable_update_task_status()->set_state(v1::TASK_STATE_COMPLETED);
    on.apply(std::move(command));
  }
  [[nodiscard]] bool is_final() const { return on.plan_state() >= v1::PLAN_STATE_COMPLETED; }

  std::mt19937_64 random_;
  bool has_total_timeouts_;

 public:
  plan_fixture on;
};

}  // namespace

TEST_CASE("whatever is done to a plan, the tables stay consistent and it can be brought to its end") {
  // HIVE_PLAN_STORMS and HIVE_PLAN_SEED: more of it, or one that failed.
  const char* const count_text = std::getenv("HIVE_PLAN_STORMS");
  const char* const seed_text = std::getenv("HIVE_PLAN_SEED");
  const std::uint64_t count = count_text == nullptr ? 200 : std::strtoull(count_text, nullptr, 10);
  const std::uint64_t first = seed_text == nullptr ? 1 : std::strtoull(seed_text, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    INFO("seed " << seed);
    plan_storm storm(seed);
    REQUIRE_NOTHROW(storm.run(150));
  }
}
