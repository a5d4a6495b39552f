// A node over the real LMDB store, with a map so small that it fills up.
#include "tests/actors/fixture.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive {
namespace {

constexpr std::uint64_t map_bytes = 16ULL << 20;
constexpr std::size_t payload_bytes = 64 << 10;

struct full_store_fixture : test::node_fixture {
  full_store_fixture() {
    auto opened = persistence::store::open(persistence::testing::options_for(folder.path(), map_bytes));
    REQUIRE(opened);
    real = std::move(*opened);
    context->store = real.get();
    context->work_admission = std::make_shared<admission>(1000, 64 << 20);
    start();
  }
  ~full_store_fixture() {
    // The actors end before the store.
    for (const auto& session : sessions) caf::anon_send_exit(session, caf::exit_reason::kill);
    sessions.clear();
    runtime->end_actors();
    settle();
    runtime.reset();
  }

  v1::TaskResultItem create_large() {
    v1::CreateTasksRequest request;
    request.add_specs()->set_type("noop");
    request.mutable_specs(0)->set_payload(std::string(payload_bytes, 'x'));
    const auto response = ask<v1::CreateTasksResponse>(tasks(), request);
    REQUIRE(response);
    return response->items(0);
  }
  /// Creates until that is refused.
  std::vector<std::uint64_t> fill() {
    constexpr std::size_t tasks_max = 2 * map_bytes / payload_bytes;
    std::vector<std::uint64_t> created;
    for (;;) {
      const auto item = create_large();
      if (!is_ok(item.status())) {
        CHECK(item.status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
        return created;
      }
      created.push_back(item.task_id());
      REQUIRE(created.size() < tasks_max);
    }
  }
  template <class Response, class Request>
  void change_all(const std::vector<std::uint64_t>& ids) {
    Request request;
    for (const auto id : ids) request.add_task_ids(id);
    const auto response = ask<Response>(tasks(), request);
    REQUIRE(response);
    for (const auto& item : response->items()) {
      INFO(item.status().message());
      CHECK(is_ok(item.status()));
    }
  }
  [[nodiscard]] int violations() const { return core::check(*real->read()).violations_size(); }

  test::temporary_folder folder;
  std::unique_ptr<persistence::store> real;
};

}  // namespace

TEST_CASE_METHOD(full_store_fixture, "a full store refuses new work, lets work end, and takes new work after a purge") {
  const auto worker = connect_worker("w", 4);
  const auto created = fill();
  REQUIRE(created.size() > 50);
  REQUIRE(worker.inbox->assignments.size() == 4);
  CHECK(real->is_nearly_full());

  // Other new work is refused as well.
  v1::CreatePlanRequest plan;
  auto& step = *plan.mutable_document()->add_steps();
  step.set_name("only");
  step.mutable_task()->set_type("noop");
  const auto planned = ask<v1::CreatePlanResponse>(of<caf::actor>(runtime->directory().plan_supervisor), plan);
  REQUIRE_FALSE(planned);
  CHECK(planned.failure().code == errc::resource_exhausted);
  v1::PublishEventsRequest publish;
  publish.add_items()->mutable_task()->set_name("test.happened");
  const auto published = ask<v1::PublishEventsResponse>(of<caf::actor>(runtime->directory().event_bus), publish);
  REQUIRE(published);
  CHECK(published->items(0).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);

  // Every task can be worked off or canceled.
  for (std::size_t i = 0; i < 20; ++i) {
    REQUIRE(worker.inbox->assignments.size() > i);
    const auto assignment = worker.inbox->assignments[i];
    const auto done = complete(worker, assignment.task_id(), assignment.attempt());
    REQUIRE(done);
    REQUIRE(is_ok(done->items(0).status()));
  }
  const std::vector<std::uint64_t> finished(created.begin(), created.begin() + 20);
  const std::vector<std::uint64_t> waiting(created.begin() + 24, created.end());
  change_all<v1::CancelTasksResponse, v1::CancelTasksRequest>(waiting);
  CHECK(create_large().status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  change_all<v1::PurgeTasksResponse, v1::PurgeTasksRequest>(finished);
  change_all<v1::PurgeTasksResponse, v1::PurgeTasksRequest>(waiting);
  CHECK(violations() == 0);

  CHECK_FALSE(real->is_nearly_full());
  CHECK(is_ok(create_large().status()));
  CHECK(fill().size() > created.size() / 2);
  CHECK(violations() == 0);
}

TEST_CASE_METHOD(full_store_fixture,
                 "what a full store has acknowledged is there after a restart, and it is still full") {
  const auto created = fill();
  restart();
  for (const auto id : created) CHECK(get(id).status().state() == v1::TASK_STATE_QUEUED);
  CHECK(create_large().status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  CHECK(violations() == 0);
}

}  // namespace hive
