#include "actors/front_actor.hpp"

#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

using ping_actor = caf::typed_actor<caf::replies_to<v1::PingRequest>::with<v1::PingResponse>,
                                    caf::replies_to<v1::CheckRequest>::with<v1::CheckResponse>>;
struct ping_state {
  static inline const char* const name = "ping";
};

ping_actor::behavior_type ping(ping_actor::stateful_pointer<ping_state> self) {
  return {
      guarded(self,
              [](const v1::PingRequest& request) -> caf::result<v1::PingResponse> {
                v1::PingResponse response;
                response.set_nonce(request.nonce());
                return response;
              }),
      guarded(self,
              [](const v1::CheckRequest&) -> caf::result<v1::CheckResponse> {
                throw core::table_error(errc::data_loss, "page 7 is damaged");
              }),
  };
}

struct front_fixture : test::system_fixture {
  front_fixture() {
    context = std::make_shared<service_context>();
    using actor_type = front<ping_actor, ping_state>;
    front_actor = system.spawn<actor_type>(context, std::size_t{10}, actor_type::behavior_function(ping));
    settle();
  }
  ~front_fixture() {
    context->is_stopping = true;
    caf::anon_send_exit(front_actor, caf::exit_reason::user_shutdown);
    settle();
  }
  service_context_ptr context;
  ping_actor front_actor;
};

v1::PingRequest nonce(std::uint64_t value) {
  v1::PingRequest request;
  request.set_nonce(value);
  return request;
}

}  // namespace

TEST_CASE_METHOD(front_fixture, "an exit message from a stranger does not end a front actor") {
  caf::anon_send_exit(front_actor, caf::exit_reason::kill);
  caf::anon_send_exit(front_actor, caf::exit_reason::user_shutdown);
  settle();
  const auto answer = ask<v1::PingResponse>(front_actor, nonce(5));
  REQUIRE(answer);
  CHECK(answer->nonce() == 5);
}

TEST_CASE_METHOD(front_fixture, "an exception in a handler is an error answer, and the actor lives on") {
  const auto failed = ask<v1::CheckResponse>(front_actor, v1::CheckRequest{});
  REQUIRE_FALSE(failed);
  CHECK(failed.failure().code == errc::data_loss);
  CHECK(failed.failure().message == "page 7 is damaged");
  CHECK(ask<v1::PingResponse>(front_actor, nonce(1)));
}

TEST_CASE_METHOD(front_fixture,
                 "requests beyond the mailbox limit are refused at once, and the count goes down again") {
  for (int round = 0; round < 3; ++round) {
    int answered = 0;
    int refused = 0;
    auto crowd = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
      for (int i = 0; i < 25; ++i) {
        self->request(front_actor, caf::infinite, nonce(1))
            .then([&](const v1::PingResponse&) { ++answered; },
                  [&](const caf::error& failure) {
                    CHECK(to_error(failure).code == errc::resource_exhausted);
                    ++refused;
                  });
      }
      return {[](int) {}};
    });
    settle();
    CHECK(answered == 10);
    CHECK(refused == 15);
    caf::anon_send_exit(crowd, caf::exit_reason::kill);
    settle();
  }
}

TEST_CASE_METHOD(front_fixture, "messages that nobody knows do not fill the mailbox count") {
  for (int i = 0; i < 50; ++i) {
    const auto answer = ask<v1::PingResponse>(caf::actor_cast<caf::actor>(front_actor), v1::HelloRequest{});
    REQUIRE_FALSE(answer);
    CHECK(answer.failure().code == errc::failed_precondition);
  }
  CHECK(ask<v1::PingResponse>(front_actor, nonce(1)));
}

TEST_CASE_METHOD(test::node_fixture, "a scrape shows how many messages wait for each actor at that moment") {
  metrics::node_probe probe("test");
  context->probe = &probe;
  start();
  probe.on_scrape([this] {
    report_mailboxes(*context);
    return metrics::node_probe::snapshot{};
  });
  const auto shows = [&probe](const std::string& actor, int waiting) {
    const std::string line = "hive_mailbox_messages{actor=\"" + actor + "\"} " + std::to_string(waiting) + "\n";
    return probe.text().find(line) != std::string::npos;
  };
  for (const char* actor :
       {"ledger", "task_manager", "worker_registry", "dispatcher", "plan_supervisor", "event_bus", "node"}) {
    INFO(actor);
    CHECK(shows(actor, 0));
  }
  auto crowd = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    v1::CreateTasksRequest request;
    request.add_specs()->set_type("noop");
    for (int i = 0; i < 3; ++i)
      self->request(tasks(), caf::infinite, request).then([](const v1::CreateTasksResponse&) {});
    auto change = std::make_shared<ledger_request>();
    change->commands.emplace_back().mutable_tick()->set_limit(1);
    self->request(runtime->writer(), caf::infinite, std::move(change)).then([](const ledger_reply_ptr&) {});
    return {[](int) {}};
  });
  coordinator.run_once();  // the crowd sends; nobody has read yet
  CHECK(shows("task_manager", 3));
  CHECK(shows("ledger", 1));
  CHECK(shows("node", 0));
  settle();
  CHECK(shows("task_manager", 0));
  CHECK(shows("ledger", 0));
  caf::anon_send_exit(crowd, caf::exit_reason::kill);
  settle();
  runtime->end_actors();  // before the probe goes
  settle();
}

}  // namespace hive
