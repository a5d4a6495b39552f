#include <catch2/catch.hpp>

#include "client/client.hpp"
#include "tests/client/fake_node.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;
using test::fake_node;

std::shared_ptr<client> connected(const config::client_config& settings) {
  auto made = connect(settings);
  REQUIRE(made);
  auto hello = (*made)->wait_connected(10s);
  REQUIRE(hello);
  return *made;
}

TEST_CASE("calls in flight at the same time share messages") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().is_holding = true;
  std::vector<std::future<result<task_change>>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(hive->async().create_task(make_task("t")));
  // Two messages with what had come by then; everything else waits for the first answer.
  REQUIRE(node.script().wait_for([&] { return node.script().create_batches.size() == 2; }));
  node.release_held();
  std::set<std::uint64_t> ids;
  for (auto& call : calls) {
    auto created = call.get();
    REQUIRE(created);
    ids.insert(created->id.value);
  }
  CHECK(ids.size() == 300);
  CHECK(node.script().create_batches.size() <= 6);
}

TEST_CASE("thousands of calls that wait for a node that is away end together") {
  config::client_config settings;
  settings.endpoint = "127.0.0.1:1";
  settings.total_timeout_ms = 300;
  settings.inflight_max = 1;
  auto hive = connect(settings);
  REQUIRE(hive);
  std::vector<std::future<result<v1::GetPlanStatusResponse>>> calls;
  for (int i = 0; i < 10'000; ++i) calls.push_back((*hive)->async().get_execution_plan_status(plan_id{1}));
  std::size_t unavailable = 0;
  for (auto& call : calls) unavailable += call.get().failure().code == errc::unavailable ? 1U : 0U;
  CHECK(unavailable == calls.size());
}

TEST_CASE("a create whose answer is lost is repeated and creates once") {
  fake_node node;
  auto settings = node.client_settings();
  settings.request_timeout_ms = 200;
  auto hive = connected(settings);
  node.script().creates_to_swallow = 1;
  auto created = hive->create_task(make_task("t"));
  REQUIRE(created);
  CHECK(created->is_replay);
  CHECK(node.script().tasks.size() == 1);
  CHECK(node.script().create_batches.size() == 2);
}

TEST_CASE("a create that was on its way when the connection broke is repeated and creates once") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().creates_to_swallow = 1;
  auto call = hive->async().create_task(make_task("t"));
  REQUIRE(node.script().wait_for([&] { return node.script().create_batches.size() == 1; }));
  node.relay().cut();
  auto created = call.get();
  REQUIRE(created);
  CHECK(created->is_replay);
  CHECK(node.script().tasks.size() == 1);
}

v1::TaskStatusUpdate update_to(v1::TaskState state, std::uint32_t attempt) {
  v1::TaskStatusUpdate update;
  update.set_task_id(5);
  update.set_state(state);
  update.set_attempt(attempt);
  return update;
}

TEST_CASE("an update whose answer is lost is found done and answered as a replay") {
  fake_node node;
  auto settings = node.client_settings();
  settings.request_timeout_ms = 200;
  auto hive = connected(settings);
  const auto attempt = GENERATE(0U, 3U);  // not named, named
  node.script().driven.set_state(v1::TASK_STATE_QUEUED);
  node.script().driven.set_attempt(3);
  node.script().updates_to_swallow = 1;
  const auto started = hive->update_task_status(update_to(v1::TASK_STATE_RUNNING, attempt));
  REQUIRE(started);
  CHECK(started->is_replay);
  CHECK(started->state == v1::TASK_STATE_RUNNING);
  CHECK(started->attempt.value == 4);
  CHECK(node.script().updates == 2);
}

TEST_CASE("an update that was on its way when the connection broke is found done") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().driven.set_state(v1::TASK_STATE_QUEUED);
  node.script().updates_to_swallow = 1;
  auto call = hive->async().update_task_status(update_to(v1::TASK_STATE_RUNNING, 0));
  REQUIRE(node.script().wait_for([&] { return node.script().updates == 1; }));
  node.relay().cut();
  const auto started = call.get();
  REQUIRE(started);
  CHECK(started->is_replay);
}

TEST_CASE("an update that is refused the first time is refused, whatever state the task is in") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().driven.set_state(v1::TASK_STATE_RUNNING);
  node.script().driven.set_reason(v1::REASON_DRIVEN_BY_CLIENT);
  const auto refused = hive->update_task_status(update_to(v1::TASK_STATE_RUNNING, 0));
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
  CHECK(node.script().reads == 0);
}

TEST_CASE("a repeated update is refused if the task is not what the update would have made it") {
  fake_node node;
  auto settings = node.client_settings();
  settings.request_timeout_ms = 200;
  auto hive = connected(settings);
  auto& task = node.script().driven;
  task.set_state(v1::TASK_STATE_RUNNING);
  task.set_attempt(6);
  task.set_reason(v1::REASON_DRIVEN_BY_CLIENT);
  SECTION("another attempt") { task.set_attempt(7); }
  SECTION("a worker's") { task.set_reason(v1::REASON_EXECUTING); }
  SECTION("another state") { task.set_state(v1::TASK_STATE_COMPLETED); }
  node.script().updates_to_swallow = 1;
  const auto refused = hive->update_task_status(update_to(v1::TASK_STATE_RUNNING, 5));
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
  CHECK(node.script().updates == 2);
  CHECK(node.script().reads == 1);
}

TEST_CASE("a publish that was on its way when the connection broke is not repeated") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().swallow_publish = true;
  v1::TaskEvent event;
  event.set_name("mine.happened");
  auto call = hive->async().publish(event);
  REQUIRE(node.script().wait_for([&] { return node.script().publishes == 1; }));
  node.relay().cut();
  auto published = call.get();
  REQUIRE_FALSE(published);
  CHECK(published.failure().code == errc::unavailable);
  REQUIRE(hive->wait_connected(10s));
  REQUIRE(hive->status());
  CHECK(node.script().publishes == 1);
}

TEST_CASE("resource_exhausted is repeated until there is room") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().creates_to_refuse = 3;
  auto created = hive->create_task(make_task("t"));
  REQUIRE(created);
  CHECK(node.script().create_batches.size() == 4);
}

TEST_CASE("no more calls than the window are on their way") {
  fake_node node;
  auto settings = node.client_settings();
  settings.inflight_max = 4;
  settings.is_coalescing = false;
  auto hive = connected(settings);
  node.script().is_holding = true;
  std::vector<std::future<result<task_change>>> calls;
  for (int i = 0; i < 50; ++i) calls.push_back(hive->async().create_task(make_task("t")));
  REQUIRE(node.script().wait_for([&] { return node.script().unanswered == 4; }));
  // A call on the same connection is answered after everything that was sent before it.
  REQUIRE(hive->wait_connected(1s));
  node.release_held();
  for (auto& call : calls) REQUIRE(call.get());
  CHECK(node.script().unanswered_max == 4);
  CHECK(node.script().create_batches.size() == 50);
}

TEST_CASE("a large bulk is split into messages and answered in order") {
  fake_node node;
  auto hive = connected(node.client_settings());
  std::vector<v1::TaskSpec> specs(2'500, make_task("t"));
  for (std::size_t i = 0; i < specs.size(); ++i) specs[i].set_idempotency_key(std::to_string(i));
  auto created = hive->create_tasks(specs);
  REQUIRE(created);
  REQUIRE(created->size() == specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    REQUIRE((*created)[i]);
    CHECK((*created)[i]->id.value == node.script().tasks.at(std::to_string(i)));
  }
  for (int items : node.script().create_batches) CHECK(items <= 1'000);
}

TEST_CASE("a task whose text is not UTF-8 is refused by its field, and its neighbours are created") {
  fake_node node;
  auto hive = connected(node.client_settings());
  auto bad = make_task("t");
  bad.set_title("\xFF\xFE");
  const auto alone = hive->create_task(bad);
  REQUIRE_FALSE(alone);
  CHECK(alone.failure().code == errc::invalid_argument);
  CHECK(alone.failure().field == "title");
  const auto mixed = hive->create_tasks({make_task("t"), bad, make_task("t")});
  REQUIRE(mixed);
  REQUIRE(mixed->size() == 3);
  CHECK((*mixed)[0]);
  CHECK((*mixed)[1].failure().field == "title");
  CHECK((*mixed)[2]);
  const auto none = hive->create_tasks({bad});
  REQUIRE(none);
  CHECK_FALSE(none->front());
  v1::WorkerSpec worker;
  worker.set_name("a\xFF");
  CHECK(hive->register_worker(worker).failure().field == "name");
}

TEST_CASE("calls without a node fail with the reason after the total timeout") {
  config::client_config settings;
  {
    test::tcp_relay closed(1);
    settings.endpoint = "127.0.0.1:" + std::to_string(closed.port());
  }
  settings.total_timeout_ms = 300;
  auto hive = connect(settings);
  REQUIRE(hive);
  auto status = (*hive)->status();
  REQUIRE_FALSE(status);
  CHECK((status.failure().code == errc::unavailable || status.failure().code == errc::deadline_exceeded));
  CHECK_FALSE((*hive)->wait_connected(10ms));
}

TEST_CASE("wrong settings are refused with their name") {
  config::client_config settings;
  settings.endpoint = "nonsense";
  auto hive = connect(settings);
  REQUIRE_FALSE(hive);
  CHECK(hive.failure().code == errc::invalid_argument);
  settings.endpoint = "127.0.0.1:7117";
  settings.inflight_max = 0;
  auto window = connect(settings);
  REQUIRE_FALSE(window);
  CHECK(window.failure().field == "client.inflight_max");
}

TEST_CASE("futures become ready when their client is closed") {
  fake_node node;
  auto hive = connected(node.client_settings());
  node.script().is_holding = true;
  std::vector<std::future<result<task_change>>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(hive->async().create_task(make_task("t")));
  hive.reset();
  for (auto& call : calls) {
    auto created = call.get();
    if (!created) CHECK(created.failure().code == errc::unavailable);
  }
}

}  // namespace
}  // namespace hive
