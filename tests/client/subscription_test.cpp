#include <catch2/catch.hpp>

#include <future>

#include "client/client.hpp"
#include "tests/client/fake_node.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;
using test::fake_node;

std::shared_ptr<client> open(const fake_node& node) {
  auto made = connect(node.client_settings());
  REQUIRE(made);
  return *made;
}

TEST_CASE("a subscription goes on from its cursor after a lost connection, without gap or duplicate") {
  fake_node node;
  auto hive = open(node);
  auto events = hive->subscribe({});
  REQUIRE(events);
  for (std::uint64_t i = 1; i <= 50; ++i) node.append_event(i);
  std::uint64_t expected = 1;
  for (; expected <= 20; ++expected) {
    auto event = events->next(10s);
    REQUIRE(event);
    REQUIRE(event->seq() == expected);
  }
  node.relay().cut();
  for (std::uint64_t i = 51; i <= 80; ++i) node.append_event(i);
  for (; expected <= 80; ++expected) {
    auto event = events->next(10s);
    REQUIRE(event);
    REQUIRE(event->seq() == expected);
  }
  // An empty queue acknowledges what was taken.
  auto none = events->next(1ms);
  REQUIRE_FALSE(none);
  CHECK(none.failure().code == errc::deadline_exceeded);
  CHECK(events->cursor().value == 80);
  CHECK(node.script().wait_for([&] { return node.script().acknowledged == 80; }));
  CHECK(node.script().subscribed_after.size() >= 2);
}

TEST_CASE("a subscription replays from the cursor that it is given") {
  fake_node node;
  for (std::uint64_t i = 1; i <= 10; ++i) node.append_event(i);
  auto hive = open(node);
  subscribe_options options;
  options.after = event_seq{7};
  auto events = hive->subscribe(std::move(options));
  REQUIRE(events);
  for (std::uint64_t expected = 8; expected <= 10; ++expected) {
    auto event = events->next(10s);
    REQUIRE(event);
    CHECK(event->seq() == expected);
  }
}

TEST_CASE("a callback gets every event in order and stops with its subscription") {
  fake_node node;
  auto hive = open(node);
  std::vector<std::uint64_t> seen;
  std::promise<void> done;
  auto events = hive->subscribe({}, [&](const v1::Event& event) {
    seen.push_back(event.seq());
    if (event.seq() == 30) done.set_value();
  });
  REQUIRE(events);
  for (std::uint64_t i = 1; i <= 30; ++i) node.append_event(i);
  REQUIRE(done.get_future().wait_for(20s) == std::future_status::ready);
  events->close();
  REQUIRE(seen.size() == 30);
  for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 1);
}

TEST_CASE("close wakes the thread that waits for the next event") {
  fake_node node;
  auto hive = open(node);
  auto events = hive->subscribe({});
  REQUIRE(events);
  auto waiting = std::async(std::launch::async, [&] { return events->next(20s); });
  events->close();
  auto outcome = waiting.get();
  REQUIRE_FALSE(outcome);
  CHECK(outcome.failure().code == errc::failed_precondition);
}

}  // namespace
}  // namespace hive
