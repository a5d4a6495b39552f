#include <random>

#include "tests/core/machine_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

/// Drives a machine with random commands, good and bad ones, from a seed.
class random_driver {
 public:
  explicit random_driver(std::uint32_t seed) : random_(seed) {}

  void step(machine_fixture& hive) {
    hive.now += pick(40);
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
        create(hive);
        break;
      case 3:
        register_worker(hive);
        break;
      case 4:
      case 5:
        offer(hive);
        break;
      case 6:
      case 7:
        report(hive);
        break;
      case 8:
        hive.cancel(any_task(), pick(3) * 100);
        break;
      case 9:
        drive(hive);
        break;
      case 10:
        hive.tick(1 + pick(20));
        break;
      default:
        end_or_drain(hive);
        break;
    }
  }

 private:
  std::uint32_t pick(std::uint32_t count) { return static_cast<std::uint32_t>(random_() % count); }
  // Sometimes of a task that does not exist (yet).
  std::uint64_t any_task() { return make_id(1, 1 + pick(created_ + 2)); }

  void create(machine_fixture& hive) {
    auto spec = hive.spec(pick(2) == 0 ? "analysis" : "render", static_cast<std::int32_t>(pick(3)) - 1);
    if (pick(3) == 0) spec.add_required_capabilities("gpu");
    if (pick(5) == 0) spec.set_not_before_unix_ms(hive.now + pick(300));
    if (pick(4) == 0) spec.set_idempotency_key("key" + std::to_string(pick(20)));
    if (pick(4) == 0) spec.mutable_timeouts()->set_run_ms(100);
    if (pick(4) == 0) spec.mutable_timeouts()->set_queue_ms(500);
    if (pick(6) == 0) spec.mutable_timeouts()->set_total_ms(900);
    if (pick(9) == 0) spec.clear_type();
    spec.mutable_retry()->set_backoff_initial_ms(50);
    const auto outcome = hive.create(spec);
    if (is_ok(outcome.status()) && !outcome.is_replay()) ++created_;
  }
  void register_worker(machine_fixture& hive) {
    auto spec = hive.worker_spec("w" + std::to_string(pick(4)), pick(2));
    if (pick(2) == 0) spec.add_capabilities("gpu");
    std::vector<std::pair<std::uint64_t, std::uint32_t>> running;
    for (std::uint32_t i = pick(4); i > 0; --i) running.emplace_back(any_task(), 1 + pick(2));
    workers_.push_back(hive.register_worker(spec, running).worker());
  }
  void offer(machine_fixture& hive) {
    if (workers_.empty()) return;
    hive.offer(workers_[pick(static_cast<std::uint32_t>(workers_.size()))], pick(6));
    for (const auto& made : hive.out.assignments) assigned_.push_back({made.worker.value, made.message});
  }
  void report(machine_fixture& hive) {
    if (assigned_.empty()) return;
    const auto& [worker_number, message] = assigned_[pick(static_cast<std::uint32_t>(assigned_.size()))];
    v1::Worker worker;
    worker.set_id(worker_number);
    auto said = hive.report(message.task_id(), message.attempt());
    switch (pick(7)) {
      case 0:
        said.mutable_started();
        break;
      case 1:
        said.mutable_progress()->set_ppm(pick(1'200'000));
        break;
      case 2:
        said.mutable_log()->set_data("line\n");
        break;
      case 3:
        said.mutable_completed()->set_result(pick(2) == 0 ? "result" : "");
        break;
      case 4:
        said.mutable_failed()->set_is_retryable(pick(2) == 0);
        break;
      case 5:
        said.mutable_canceled();
        break;
      default:
        said.mutable_returned();
        break;
    }
    hive.say(worker, said);
  }
  void drive(machine_fixture& hive) {
    switch (pick(4)) {
      case 0:
        hive.retry(any_task());
        break;
      case 1:
        hive.purge(any_task());
        break;
      default:
        hive.update(any_task(), static_cast<v1::TaskState>(pick(10)), pick(3));
        break;
    }
  }
  void end_or_drain(machine_fixture& hive) {
    if (workers_.empty()) return;
    const auto& worker = workers_[pick(static_cast<std::uint32_t>(workers_.size()))];
    if (pick(2) == 0) {
      hive.end_worker(worker, pick(2) == 0);
    } else {
      hive.drain(worker, pick(2) == 0);
    }
  }

  std::mt19937 random_;
  std::uint32_t created_ = 0;
  std::vector<v1::Worker> workers_;
  std::vector<std::pair<std::uint64_t, v1::TaskAssignment>> assigned_;
};

/// Every index and counter, counted anew from the statuses.
void check_indexes(machine_fixture& hive) {
  hive.rules.flush(hive.tables);
  memory_tables expected;
  std::map<std::string, std::int64_t> counted;
  std::map<std::uint32_t, std::string> types;
  hive.tables.scan(table::signature, {}, [&](std::string_view at, std::string_view bytes) {
    v1::Signature signature;
    signature.ParseFromString(std::string{bytes});
    types[read_u32(at, 0)] = signature.type();
    return true;
  });
  hive.tables.scan(table::task_status, {}, [&](std::string_view row, std::string_view bytes) {
    v1::TaskStatus status;
    REQUIRE(status.ParseFromString(std::string{bytes}));
    const auto id = read_u64(row, 0);
    const auto state = static_cast<std::uint8_t>(status.state());
    const bool is_held = status.state() == v1::TASK_STATE_LEASED || status.state() == v1::TASK_STATE_RUNNING;
    ++counted["t" + std::string(1, static_cast<char>(state)) + types[status.signature_id()]];
    if (status.state() == v1::TASK_STATE_QUEUED) {
      expected.put(table::ready, key{}.u32(status.signature_id()).inverted_priority(status.priority()).u64(id), {});
      ++counted[std::string{key{}.bytes("r").u32(status.signature_id()).view()}];
    } else if (is_held) {
      expected.put(table::lease, key{}.u64(status.worker_id()).u64(id), {});
    } else {
      expected.put(table::task_by_state, key{}.u8(state).u64(id), {});
    }
    return true;
  });
  hive.tables.scan(table::worker, {}, [&](std::string_view, std::string_view bytes) {
    v1::Worker worker;
    worker.ParseFromString(std::string{bytes});
    ++counted["w" + std::string(1, static_cast<char>(worker.state()))];
    return true;
  });
  for (const auto where : {table::ready, table::lease, table::task_by_state}) {
    hive.tables.scan(where, {}, [&](std::string_view row, std::string_view) {
      CHECK(expected.erase(where, row));
      return true;
    });
    CHECK(expected.size(where) == 0);
  }
  std::map<std::string, std::int64_t> stored;
  hive.tables.scan(table::counter, {}, [&](std::string_view name, std::string_view value) {
    stored[std::string{name}] = static_cast<std::int64_t>(read_u64(value, 0));
    return true;
  });
  CHECK(stored == counted);
}

}  // namespace

TEST_CASE("the same log gives the same bytes, wherever the batches end and the node restarts") {
  const auto seed = GENERATE(range(1U, 11U));
  machine_fixture hive;
  random_driver driver{seed};
  for (int i = 0; i < 800; ++i) driver.step(hive);
  hive.rules.flush(hive.tables);

  memory_tables tables;
  auto rules = std::make_unique<machine>();
  REQUIRE(rules->load(tables));
  std::mt19937 random{seed};
  effects out;
  for (const auto& command : hive.log) {
    rules->apply(command, tables, out);
    if (random() % 10 != 0) continue;
    rules->flush(tables);
    if (random() % 2 != 0) continue;
    rules = std::make_unique<machine>();
    REQUIRE(rules->load(tables));
  }
  rules->flush(tables);
  CHECK(tables == hive.tables);
  CHECK(rules->ready_count() == hive.rules.ready_count());
}

TEST_CASE("indexes and counters say what the statuses say, whatever happens") {
  machine_fixture hive;
  random_driver driver{GENERATE(range(20U, 26U))};
  for (int i = 0; i < 600; ++i) {
    driver.step(hive);
    if (i % 20 == 0) check_indexes(hive);
  }
  check_indexes(hive);
}

TEST_CASE("a refused command and a replay leave no trace") {
  machine_fixture hive;
  random_driver driver{GENERATE(range(30U, 36U))};
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    hive.rules.flush(hive.tables);
    const auto logged = hive.log.size();
    const auto before = hive.tables;
    driver.step(hive);
    if (hive.log.size() == logged) continue;
    // Applied again to the tables from before, for its outcome.
    memory_tables copy = before;
    machine rules;
    REQUIRE(rules.load(copy));
    effects out;
    const auto outcome = rules.apply(hive.log.back(), copy, out);
    rules.flush(copy);
    if (is_ok(outcome.status()) && !outcome.is_replay()) continue;
    ++refused;
    CHECK(copy == before);
    hive.rules.flush(hive.tables);
    CHECK(hive.tables == before);
    CHECK((out.events.empty() && out.assignments.empty() && out.revocations.empty() && out.freed_slots.empty()));
  }
  CHECK(refused > 50);
}

TEST_CASE("a damaged table is data loss, not a crash") {
  machine_fixture hive;
  hive.created();
  hive.rules.flush(hive.tables);
  hive.tables.put(GENERATE(table::signature, table::counter), "x", "\xff");
  machine rules;
  const auto loaded = rules.load(hive.tables);
  REQUIRE_FALSE(loaded);
  CHECK(loaded.failure().code == errc::data_loss);
}
