#include "actors/batch_writer.hpp"
#include "actors/assignment_push.hpp"

#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

using test::node_fixture;

/// The write path alone: no actors.
struct writer_fixture {
  writer_fixture() {
    context = std::make_shared<service_context>();
    context->store = &store;
    context->now_unix_ms = [this] { return now; };
    context->work_admission = std::make_shared<admission>(1000, 1 << 20);
    context->sessions = std::make_shared<session_table>();
    writer = std::make_unique<batch_writer>(context);
    REQUIRE(writer->load());
  }

  static pending_write creating(const std::string& title) {
    auto request = std::make_shared<ledger_request>();
    auto& spec = *request->commands.emplace_back().mutable_create_task()->mutable_spec();
    spec.set_type("noop");
    spec.set_title(title);
    return {std::move(request), {}, {}};
  }
  std::vector<pending_write> write(const std::vector<std::string>& titles) {
    std::vector<pending_write> batch;
    for (const auto& title : titles) batch.push_back(creating(title));
    out.clear();
    is_durable = writer->write(batch, out);
    return batch;
  }
  /// The store throws `failure` at the put of a task whose title holds `text`, `count` times.
  void throw_at(const std::string& text, errc failure, int count) {
    store.on_put([text, failure, left = count](core::table where, std::string_view value) mutable {
      if (where != core::table::task_spec || value.find(text) == std::string_view::npos || left == 0) return;
      --left;
      throw core::table_error(failure, "thrown by the test");
    });
  }
  [[nodiscard]] int violations() { return core::check(*store.read()).violations_size(); }

  test::memory_store store;
  std::int64_t now = 1'700'000'000'000;
  service_context_ptr context;
  std::unique_ptr<batch_writer> writer;
  core::effects out;
  bool is_durable = false;
};

bool is_created(const pending_write& entry) {
  return !entry.failure && entry.outcomes.size() == 1 && is_ok(entry.outcomes[0].status());
}

}  // namespace

TEST_CASE_METHOD(writer_fixture, "since when a batch is written can be seen while it is, and only then") {
  const auto none = std::chrono::steady_clock::time_point{};
  std::chrono::steady_clock::time_point seen;
  store.on_put([&](core::table, std::string_view) { seen = context->writing_since; });
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(is_created(write({"one"})[0]));
  CHECK(seen >= begin);
  CHECK(context->writing_since.load() == none);
  throw_at("poison", errc::internal, 100);
  REQUIRE(write({"poison"})[0].failure);
  CHECK(context->writing_since.load() == none);
}

TEST_CASE_METHOD(writer_fixture, "a request that breaks its batch fails alone, its neighbours are written one by one") {
  throw_at("poison", errc::internal, 100);
  const int before = store.commits();
  const auto batch = write({"one", "poison", "three"});
  REQUIRE(is_created(batch[0]));
  REQUIRE(is_created(batch[2]));
  REQUIRE(batch[1].failure);
  CHECK(batch[1].failure->code == errc::internal);
  CHECK(store.commits() == before + 2);
  CHECK(is_durable);
  // Their effects leave once, and ids show no gap: the machine was loaded anew after each failure.
  CHECK(out.events.size() == 4);
  CHECK(batch[2].outcomes[0].id() == batch[0].outcomes[0].id() + 1);
  CHECK(violations() == 0);
  const auto next = write({"four", "five"});
  REQUIRE(is_created(next[0]));
  CHECK(next[0].outcomes[0].id() == batch[2].outcomes[0].id() + 1);
  CHECK(store.commits() == before + 3);
}

TEST_CASE_METHOD(writer_fixture, "a store that fails within a batch fails the whole batch and nothing of it stays") {
  const auto first = write({"one"});
  const auto tables = store.tables();
  throw_at("three", errc::data_loss, 1);
  const auto failed = write({"two", "three"});
  for (const auto& entry : failed) {
    REQUIRE(entry.failure);
    CHECK(entry.failure->code == errc::data_loss);
  }
  CHECK_FALSE(is_durable);
  CHECK(out.events.empty());
  CHECK(store.tables() == tables);
  const auto next = write({"two", "three"});
  REQUIRE(is_created(next[0]));
  REQUIRE(is_created(next[1]));
  CHECK(next[0].outcomes[0].id() == first[0].outcomes.at(0).id() + 1);
  CHECK(violations() == 0);
}

TEST_CASE_METHOD(writer_fixture, "a map that fills up within a batch refuses the new work of that batch") {
  throw_at("two", errc::resource_exhausted, 1);
  for (const auto& entry : write({"one", "two"})) {
    CHECK_FALSE(entry.failure);
    CHECK(entry.outcomes.at(0).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  }
  CHECK(is_created(write({"three"})[0]));
  CHECK(violations() == 0);
}

TEST_CASE_METHOD(writer_fixture, "a full disk fails the batch with its error, and the next one goes well") {
  const auto first = write({"one"});
  const auto tables = store.tables();
  store.fail_commits({errc::resource_exhausted, "no space left on device", {}}, 2);
  for (const auto& entry : write({"two", "three"})) {
    REQUIRE(entry.failure);
    CHECK(entry.failure->code == errc::resource_exhausted);
    CHECK(entry.failure->message == "no space left on device");
  }
  CHECK(store.tables() == tables);
  const auto next = write({"two"});
  REQUIRE(is_created(next[0]));
  CHECK(next[0].outcomes[0].id() == first[0].outcomes.at(0).id() + 1);
  CHECK(violations() == 0);
}

TEST_CASE_METHOD(writer_fixture, "request by request, a nearly full store still refuses new work") {
  store.set_nearly_full(true);
  store.fail_commits({errc::internal, "broken", {}}, 1);
  for (const auto& entry : write({"one", "two"})) {
    REQUIRE_FALSE(entry.failure);
    CHECK(entry.outcomes.at(0).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  }
}

TEST_CASE_METHOD(node_fixture, "ready tasks beyond the limit of a batch are handed out by the batches that follow") {
  context->config.ledger.batch_commands_max = 4;
  start();
  for (int i = 0; i < 5; ++i) create(2);
  const int before = store.commits();
  const auto worker = connect_worker("w", 20);
  CHECK(worker.inbox->assignments.size() == 10);
  CHECK(store.commits() == before + 3);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "what a batch left over is handed out although the store fails meanwhile") {
  context->config.ledger.batch_commands_max = 4;
  start();
  for (int i = 0; i < 5; ++i) create(2);
  // The batch that follows the registration fails, and nobody asks for anything after it.
  int failures = 0;
  store.on_put([this, &failures, seen = store.commits()](core::table, std::string_view) {
    if (store.commits() == seen || failures > 0) return;
    ++failures;
    throw core::table_error(errc::data_loss, "disk is away");
  });
  const auto worker = connect_worker("w", 20);
  CHECK(worker.inbox->assignments.size() == 4);
  advance(std::chrono::milliseconds(600));
  CHECK(failures == 1);
  CHECK(worker.inbox->assignments.size() == 10);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "assignments of more than 1 MiB go in several messages, in order") {
  start();
  const auto worker = connect_worker("w", 8);
  core::effects effects;
  constexpr std::size_t kib = 1024;
  for (const std::size_t size : {400 * kib, 400 * kib, 400 * kib, 1500 * kib, 10 * kib, 10 * kib}) {
    auto& made = effects.assignments.emplace_back();
    made.worker = {worker.id()};
    made.message.set_task_id(effects.assignments.size());
    made.message.mutable_spec()->set_payload(std::string(size, 'x'));
  }
  push_to_sessions(*context, effects, std::chrono::steady_clock::now());
  settle();
  CHECK(worker.inbox->messages == std::vector<int>{2, 1, 1, 2});
  REQUIRE(worker.inbox->assignments.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(worker.inbox->assignments[i].task_id() == i + 1);
}

}  // namespace hive
