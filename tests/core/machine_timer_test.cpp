#include <limits>

#include "core/backoff.hpp"
#include "core/machine_state.hpp"
#include "tests/core/machine_fixture.hpp"

using namespace hive;
using namespace hive::core;
using names = std::vector<std::string>;

namespace {
constexpr auto most = std::numeric_limits<std::int64_t>::max();
}

TEST_CASE("a task that waits too long in the queue fails") {
  machine_fixture hive;
  auto spec = hive.spec();
  spec.mutable_timeouts()->set_queue_ms(100);
  const auto task = hive.created(spec);
  hive.now += 100;
  hive.tick();
  CHECK(hive.event_names() == names{"task.failed"});
  CHECK(hive.status(task).reason() == v1::REASON_QUEUE_TIMEOUT);
  CHECK(hive.rules.ready_count() == 0);
}

TEST_CASE("the queue timeout counts anew when a task is queued again") {
  machine_fixture hive;
  auto spec = hive.spec();
  spec.mutable_timeouts()->set_queue_ms(100);
  const auto task = hive.created(spec);
  hive.now += 90;
  const auto worker = hive.registered();
  REQUIRE(hive.leased(worker).size() == 1);
  hive.end_worker(worker, false);
  hive.now += 10;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_QUEUED);
  hive.now += 90;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_FAILED);
}

TEST_CASE("an attempt that runs too long is a failure that may be retried, and its worker is told") {
  machine_fixture hive;
  const auto worker = hive.registered();
  auto spec = hive.spec();
  spec.mutable_timeouts()->set_run_ms(100);
  spec.mutable_retry()->set_max_attempts(2);
  spec.mutable_retry()->set_backoff_initial_ms(10);
  const auto task = hive.created(spec);
  hive.leased(worker);
  hive.start(worker, task);
  hive.now += 100;
  hive.tick();
  CHECK(hive.event_names() == names{"task.retry_scheduled"});
  REQUIRE(hive.out.revocations.size() == 1);
  CHECK(hive.out.revocations[0].reason == v1::REASON_RUN_TIMEOUT);
  CHECK(hive.out.revocations[0].attempt_number.value == 1);
  CHECK(hive.out.freed_slots.size() == 1);
  hive.now += 10;
  hive.tick();
  REQUIRE(hive.leased(worker).size() == 1);
  hive.now += 100;
  hive.tick();
  CHECK(hive.event_names() == names{"task.failed"});
  CHECK(hive.status(task).reason() == v1::REASON_RUN_TIMEOUT);
}

TEST_CASE("the run timeout of an attempt that has ended does nothing") {
  machine_fixture hive;
  const auto worker = hive.registered();
  auto spec = hive.spec();
  spec.mutable_timeouts()->set_run_ms(100);
  const auto task = hive.created(spec);
  hive.leased(worker);
  hive.now += 60;
  auto back = hive.report(task, 1);
  back.mutable_returned();
  hive.say(worker, back);
  hive.now += 40;
  CHECK(hive.tick().count() == 1);
  CHECK(hive.status(task).state() == v1::TASK_STATE_SCHEDULED);
}

TEST_CASE("the total timeout ends a task in any state") {
  machine_fixture hive;
  auto spec = hive.spec();
  spec.mutable_timeouts()->set_total_ms(100);
  const bool is_leased = GENERATE(false, true);
  const auto task = hive.created(spec);
  const auto worker = hive.registered();
  if (is_leased) hive.leased(worker);
  hive.now += 100;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_FAILED);
  CHECK(hive.status(task).reason() == v1::REASON_TOTAL_TIMEOUT);
  CHECK(hive.out.revocations.size() == (is_leased ? 1 : 0));
}

TEST_CASE("a tick pops no more than its limit, in the order of due times") {
  machine_fixture hive;
  for (int i = 0; i < 5; ++i) {
    auto spec = hive.spec();
    spec.set_not_before_unix_ms(hive.now + 10 - i);
    hive.created(spec);
  }
  hive.now += 10;
  CHECK(hive.tick(2).count() == 2);
  CHECK(hive.out.events[0].task().task_id() == make_id(1, 5));
  CHECK(hive.tick(9).count() == 3);
  CHECK(hive.tick(9).count() == 0);
  CHECK(hive.tick(0).status().code() == v1::ERROR_CODE_INVALID_ARGUMENT);
}

TEST_CASE("time never goes back") {
  machine_fixture hive;
  hive.created();
  hive.now -= 500;
  const auto task = hive.created();
  CHECK(hive.status(task).created_unix_ms() == hive.now + 500);
}

TEST_CASE("the delay grows by the multiplier up to its cap") {
  v1::RetryPolicy policy;
  policy.set_backoff_initial_ms(100);
  policy.set_backoff_multiplier_permille(3000);
  policy.set_backoff_max_ms(1000);
  const core_limits limits;
  CHECK(backoff_ms(policy, limits, 1, task_id{1}, 1) == 100);
  CHECK(backoff_ms(policy, limits, 2, task_id{1}, 2) == 300);
  CHECK(backoff_ms(policy, limits, 3, task_id{1}, 3) == 900);
  CHECK(backoff_ms(policy, limits, 4, task_id{1}, 4) == 1000);
  CHECK(backoff_ms(v1::RetryPolicy{}, limits, 1, task_id{1}, 1) == limits.backoff_initial_ms);
}

TEST_CASE("no policy overflows the delay") {
  v1::RetryPolicy policy;
  policy.set_backoff_initial_ms(GENERATE(std::int64_t{1}, most / 2, most));
  policy.set_backoff_max_ms(most);
  policy.set_backoff_multiplier_permille(100'000);
  policy.set_jitter_permille(GENERATE(0U, 1000U));
  const auto delay = backoff_ms(policy, core_limits{}, GENERATE(1U, 999U), task_id{7}, 9);
  CHECK(delay >= 0);
  CHECK(due_after(most - 1, delay) >= most - 1);
}

TEST_CASE("jitter takes off no more than its share, and is the same every time") {
  v1::RetryPolicy policy;
  policy.set_backoff_initial_ms(10'000);
  policy.set_jitter_permille(250);
  bool are_all_equal = true;
  for (std::uint32_t number = 1; number <= 100; ++number) {
    const auto delay = backoff_ms(policy, core_limits{}, 1, task_id{5}, number);
    CHECK(delay <= 10'000);
    CHECK(delay >= 7'500);
    CHECK(delay == backoff_ms(policy, core_limits{}, 1, task_id{5}, number));
    are_all_equal = are_all_equal && delay == backoff_ms(policy, core_limits{}, 1, task_id{5}, 1);
  }
  CHECK_FALSE(are_all_equal);
}

TEST_CASE("a client's event is numbered and marked") {
  machine_fixture hive;
  hive.created();
  const auto outcome = hive.publish("report.ready", "data");
  CHECK(outcome.event_seq() == 3);
  REQUIRE(hive.out.events.size() == 1);
  CHECK(hive.out.events[0].seq() == 3);
  CHECK(hive.out.events[0].time_unix_ms() == hive.now);
  CHECK(hive.out.events[0].task().is_published());
  const auto bad = GENERATE("", "Upper", "a b", "0123456789012345678901234567890123456789012345678901234567890123456");
  CHECK(hive.publish(bad).status().field() == "task.name");
  CHECK(hive.publish("x", std::string((64 << 10) + 1, 'x')).status().field() == "task.data");
}

TEST_CASE("old events are purged in bounded batches") {
  core_limits limits;
  limits.purge_batch_max = 10;
  machine_fixture hive{limits};
  for (int i = 0; i < 25; ++i) hive.publish("x");
  CHECK(hive.tables.size(table::timer) == 1);
  const auto start = hive.now;
  hive.now = start + 3'600'000;
  hive.tick();
  CHECK(hive.tables.size(table::event) == 25);
  hive.now = start + limits.event_retention_ms;
  for (const std::uint64_t left : {15U, 5U, 0U}) {
    CHECK(hive.tick().count() == 1);
    CHECK(hive.tables.size(table::event) == left);
  }
  CHECK(hive.tables.size(table::timer) == 0);
  hive.rules.flush(hive.tables);
  CHECK(read_u64(*hive.tables.get(table::meta, "first_event"), 0) == 26);
  // The sequence goes on, and so does the watch over it.
  CHECK(hive.publish("x").event_seq() == 26);
  CHECK(hive.tables.size(table::timer) == 1);
}

TEST_CASE("the number of events is limited") {
  core_limits limits;
  limits.events_max = 5'000;
  limits.purge_batch_max = 2'000;
  machine_fixture hive{limits};
  for (int i = 0; i < 10'000; ++i) hive.publish("x");
  for (int i = 0; i < 5; ++i) hive.tick();
  CHECK(hive.tables.size(table::event) == 5'000);
  CHECK(hive.tables.size(table::timer) == 1);
}
