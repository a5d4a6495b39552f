#include "client/port.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/make_message.hpp>
#include <caf/send.hpp>

#include "client/link.hpp"

using namespace hive;
using namespace std::chrono_literals;

namespace {

/// An actor of this process that answers numbers.
struct echo {
  caf::actor actor = runtime::instance()->system().spawn(
      []() -> caf::behavior { return {[](std::uint64_t number) { return number; }}; });
  ~echo() { caf::anon_send_exit(actor, caf::exit_reason::user_shutdown); }
  [[nodiscard]] caf::strong_actor_ptr pointer() const { return caf::actor_cast<caf::strong_actor_ptr>(actor); }
};

const error closed{errc::unavailable, "closed", {}};

}  // namespace

TEST_CASE("a port that is closed waits for the callback that runs, and runs none afterwards") {
  const echo peer;
  port one(runtime::instance(), [](const caf::message&) {});
  std::promise<void> entered;
  std::promise<void> go_on;
  std::atomic<bool> has_left{false};
  one.request(peer.pointer(), caf::make_message(std::uint64_t{1}), std::chrono::steady_clock::now() + 20s,
              [&](const result<caf::message>&) {
                entered.set_value();
                go_on.get_future().wait();
                has_left = true;
              });
  entered.get_future().wait();
  auto closing = std::async(std::launch::async, [&] { one.close(closed); });
  CHECK(closing.wait_for(50ms) == std::future_status::timeout);
  go_on.set_value();
  closing.get();
  CHECK(has_left);
}

TEST_CASE("to close a port fails what it has asked, once") {
  port one(runtime::instance(), [](const caf::message&) {});
  const auto nobody = runtime::instance()->system().spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](std::uint64_t) { return self->make_response_promise<std::uint64_t>(); }};
  });
  std::atomic<int> failed{0};
  for (int i = 0; i < 3; ++i)
    one.request(caf::actor_cast<caf::strong_actor_ptr>(nobody), caf::make_message(std::uint64_t{1}),
                std::chrono::steady_clock::now() + 20s, [&](const result<caf::message>& reply) {
                  CHECK(reply.failure().message == "closed");
                  ++failed;
                });
  one.close(closed);
  CHECK(failed == 3);
  caf::anon_send_exit(nobody, caf::exit_reason::user_shutdown);
}

TEST_CASE("a callback may end its own port") {
  const echo peer;
  auto one = std::make_unique<port>(runtime::instance(), [](const caf::message&) {});
  const auto ended = std::make_shared<std::promise<void>>();
  one->request(peer.pointer(), caf::make_message(std::uint64_t{1}), std::chrono::steady_clock::now() + 20s,
               [&one, ended](const result<caf::message>&) {
                 one.reset();
                 ended->set_value();
               });
  CHECK(ended->get_future().wait_for(20s) == std::future_status::ready);
}

TEST_CASE("what a callback throws ends nothing but the callback") {
  const echo peer;
  port one(runtime::instance(), [](const caf::message&) {});
  const auto ask = [&](const std::function<void()>& then) {
    const auto called = std::make_shared<std::promise<void>>();
    one.request(peer.pointer(), caf::make_message(std::uint64_t{1}), std::chrono::steady_clock::now() + 20s,
                [called, then](const result<caf::message>&) {
                  called->set_value();
                  then();
                });
    return called->get_future().wait_for(20s) == std::future_status::ready;
  };
  CHECK(ask([] { throw std::runtime_error("thrown by the test"); }));
  CHECK(ask([] {}));
}

TEST_CASE("the last reference to a link may be dropped where nothing may block") {
  hive::link::options how;
  how.endpoints = {{"127.0.0.1", 1}};
  auto made = hive::link::make(runtime::instance(), how);
  std::weak_ptr<hive::link> known = made;
  std::promise<std::chrono::steady_clock::duration> took;
  runtime::instance()->timers().after(0ms, [&, dropped = std::move(made)]() mutable {
    REQUIRE(service_thread::is_here());
    const auto begin = std::chrono::steady_clock::now();
    dropped.reset();
    took.set_value(std::chrono::steady_clock::now() - begin);
  });
  took.get_future().get();
  CHECK(known.expired());
}
