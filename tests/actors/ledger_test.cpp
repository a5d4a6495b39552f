#include "actors/ledger.hpp"

#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

using test::node_fixture;

ledger_request_ptr creating(int count) {
  auto request = std::make_shared<ledger_request>();
  for (int i = 0; i < count; ++i) {
    request->commands.emplace_back().mutable_create_task()->mutable_spec()->set_type("noop");
  }
  return request;
}

/// Sends all requests before anything is handled; how many of them were answered well.
int send_together(node_fixture& node, int requests, std::vector<error>* failures = nullptr) {
  int answered = 0;
  auto crowd = node.system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    for (int i = 0; i < requests; ++i) {
      self->request(node.runtime->writer(), caf::infinite, creating(1))
          .then([&](const ledger_reply_ptr& reply) { answered += is_ok(reply->outcomes.at(0).status()) ? 1 : 0; },
                [&, failures](const caf::error& failure) {
                  if (failures != nullptr) failures->push_back(to_error(failure));
                });
    }
    return {[](int) {}};
  });
  node.settle();
  caf::anon_send_exit(crowd, caf::exit_reason::kill);
  node.settle();
  return answered;
}

}  // namespace

TEST_CASE_METHOD(node_fixture, "requests that wait together share one commit, a lone one has its own") {
  start();
  const int before = store.commits();
  CHECK(send_together(*this, 50) == 50);
  CHECK(store.commits() == before + 1);
  create(1);
  CHECK(store.commits() == before + 2);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a batch ends at its limit of commands") {
  context->config.ledger.batch_commands_max = 10;
  start();
  const int before = store.commits();
  CHECK(send_together(*this, 25) == 25);
  CHECK(store.commits() == before + 3);
}

TEST_CASE_METHOD(node_fixture, "a refused item does not spoil its neighbours") {
  start();
  v1::CreateTasksRequest request;
  request.add_specs()->set_type("noop");
  request.add_specs();  // no type
  request.add_specs()->set_type("noop");
  const auto response = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE(response);
  REQUIRE(response->items_size() == 3);
  CHECK(is_ok(response->items(0).status()));
  CHECK(response->items(1).status().code() == v1::ERROR_CODE_INVALID_ARGUMENT);
  CHECK(response->items(1).status().field() == "spec.type");
  CHECK(is_ok(response->items(2).status()));
  CHECK(get(response->items(2).task_id()).status().state() == v1::TASK_STATE_QUEUED);
}

TEST_CASE_METHOD(node_fixture, "empty and oversized batches are refused as a whole") {
  start();
  const auto empty = ask<v1::CreateTasksResponse>(tasks(), v1::CreateTasksRequest{});
  REQUIRE_FALSE(empty);
  CHECK(empty.failure().code == errc::invalid_argument);
  CHECK(empty.failure().field == "specs");
  v1::CreateTasksRequest request;
  for (std::uint32_t i = 0; i <= batch_items_max; ++i) request.add_specs();
  const auto oversized = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE_FALSE(oversized);
  CHECK(oversized.failure().code == errc::invalid_argument);
}

TEST_CASE_METHOD(node_fixture, "work beyond the admission limits is refused at once, and admitted again later") {
  context->work_admission = std::make_shared<admission>(10, 1 << 20);
  start();
  int created = 0;
  int refused = 0;
  auto crowd = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    for (int i = 0; i < 5; ++i) {
      v1::CreateTasksRequest request;
      for (int k = 0; k < 4; ++k) request.add_specs()->set_type("noop");
      self->request(tasks(), caf::infinite, std::move(request))
          .then([&](const v1::CreateTasksResponse&) { ++created; },
                [&](const caf::error& failure) {
                  CHECK(to_error(failure).code == errc::resource_exhausted);
                  ++refused;
                });
    }
    return {[](int) {}};
  });
  settle();
  CHECK(created == 2);
  CHECK(refused == 3);
  CHECK(context->work_admission->commands() == 0);
  CHECK(context->work_admission->bytes() == 0);
  create(4);
  caf::anon_send_exit(crowd, caf::exit_reason::kill);
}

TEST_CASE_METHOD(node_fixture, "a failed commit is answered with its error and leaves nothing behind") {
  start();
  create(3);
  const auto tables = store.tables();
  store.fail_commits({errc::data_loss, "disk is gone", {}}, 1);
  std::vector<error> failures;
  CHECK(send_together(*this, 2, &failures) == 0);
  REQUIRE(failures.size() == 2);
  CHECK(failures[0].code == errc::data_loss);
  CHECK(store.tables() == tables);
  const auto next = create(1);
  CHECK(is_ok(next.items(0).status()));
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a full store refuses new work and lets completions and purges through") {
  start();
  const auto created = create(2);
  const auto worker = connect_worker("w", 1);
  REQUIRE(worker.inbox->assignments.size() == 1);
  store.set_nearly_full(true);
  v1::CreateTasksRequest request;
  request.add_specs()->set_type("noop");
  const auto refused = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE(refused);
  CHECK(refused->items(0).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  const auto done = complete(worker, created.items(0).task_id(), 1);
  REQUIRE(done);
  CHECK(is_ok(done->items(0).status()));
  v1::PurgeTasksRequest purge;
  purge.add_task_ids(created.items(0).task_id());
  const auto purged = ask<v1::PurgeTasksResponse>(tasks(), purge);
  REQUIRE(purged);
  CHECK(is_ok(purged->items(0).status()));
  store.set_nearly_full(false);
  create(1);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a store that turns out to be full refuses only the new work of the batch") {
  start();
  const auto created = create(1);
  const auto worker = connect_worker("w", 1);
  store.fail_commits({errc::resource_exhausted, "map full", {}}, 1);
  const auto done = complete(worker, created.items(0).task_id(), 1);
  REQUIRE(done);
  CHECK(is_ok(done->items(0).status()));
  store.fail_commits({errc::resource_exhausted, "map full", {}}, 1);
  v1::CreateTasksRequest request;
  request.add_specs()->set_type("noop");
  const auto refused = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE(refused);
  CHECK(refused->items(0).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
}

TEST_CASE_METHOD(node_fixture, "a delayed task becomes ready when its time has come") {
  start();
  v1::CreateTasksRequest request;
  request.add_specs()->set_type("noop");
  request.mutable_specs(0)->set_not_before_unix_ms(now_unix_ms() + 5000);
  const auto created = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE(created);
  const auto id = created->items(0).task_id();
  CHECK(get(id).status().state() == v1::TASK_STATE_SCHEDULED);
  const auto worker = connect_worker("w", 1);
  for (int i = 0; i < 4; ++i) {
    advance(std::chrono::milliseconds(1000));
    REQUIRE(heartbeat(worker));
  }
  CHECK(worker.inbox->assignments.empty());
  advance(std::chrono::milliseconds(1100));
  REQUIRE(worker.inbox->assignments.size() == 1);
  CHECK(worker.inbox->assignments[0].task_id() == id);
}

TEST_CASE_METHOD(node_fixture, "a stopping node refuses new work") {
  start();
  context->is_stopping = true;
  v1::CreateTasksRequest request;
  request.add_specs()->set_type("noop");
  const auto refused = ask<v1::CreateTasksResponse>(tasks(), request);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::unavailable);
}

TEST_CASE_METHOD(node_fixture, "a client with another protocol version is told so") {
  start();
  v1::HelloRequest hello;
  hello.set_protocol_version(99);
  const auto refused = ask<v1::HelloResponse>(caf::actor_cast<caf::actor>(runtime->front()), hello);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
  CHECK(refused.failure().field == "protocol_version");
}

}  // namespace hive
