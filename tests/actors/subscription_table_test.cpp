#include "actors/subscription_table.hpp"

#include <catch2/catch.hpp>

#include "core/queries.hpp"

using namespace hive;
using namespace std::chrono_literals;

namespace {

// An event log in memory and the table under test, driven the way the event_bus actor does it.
struct bus_fixture {
  explicit bus_fixture(subscription_table::options limits = {}) : table(limits, 0) {}

  void commit(std::size_t count, const std::string& name = "task.created") {
    std::vector<v1::Event> fresh;
    for (std::size_t i = 0; i < count; ++i) {
      v1::Event event;
      event.set_seq(log.size() + 1);
      event.mutable_task()->set_name(name);
      event.mutable_task()->set_task_id(event.seq() % 3 + 1);
      log.push_back(event);
      fresh.push_back(event);
    }
    table.append(fresh);
  }

  result<v1::ReadEventsResponse> read_page(const v1::ReadEventsRequest& request) {
    ++pages_read;
    v1::ReadEventsResponse page;
    page.set_cursor(request.after_seq());
    for (auto index = request.after_seq(); index < log.size(); ++index) {
      if (static_cast<std::uint32_t>(page.events_size()) == request.limit()) break;
      if (core::is_match(request.filter(), log[index])) *page.add_events() = log[index];
      page.set_cursor(log[index].seq());
    }
    return page;
  }

  std::uint64_t subscribe(std::uint64_t after, std::uint32_t window = 0, const std::string& name = "") {
    v1::SubscribeRequest request;
    request.set_after_seq(after);
    request.set_window(window);
    if (!name.empty()) request.mutable_filter()->add_names(name);
    auto response = table.subscribe(request, log.size(), now);
    REQUIRE(response);
    return response->subscription_id();
  }

  // Everything that may be sent now; acknowledges each batch if asked.
  std::vector<std::uint64_t> receive(std::uint64_t id, bool acknowledges) {
    std::vector<std::uint64_t> seen;
    for (;;) {
      auto next = table.next_batch(
          id, [this](const v1::ReadEventsRequest& request) { return read_page(request); }, now);
      REQUIRE(next);
      if (!next->has_value()) return seen;
      for (const auto& event : (*next)->batch.events()) seen.push_back(event.seq());
      last_cursor = (*next)->batch.cursor();
      if (acknowledges) table.acknowledge(id, last_cursor, now);
    }
  }

  std::vector<v1::Event> log;
  subscription_table table;
  subscription_table::time_point now{1h};
  std::uint64_t last_cursor = 0;
  int pages_read = 0;
};

std::vector<std::uint64_t> range(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> numbers;
  for (auto number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

}  // namespace

TEST_CASE("a subscriber gets the past from its cursor and then what is new, once and in order") {
  bus_fixture bus;
  bus.commit(10);
  const auto id = bus.subscribe(4);
  CHECK(bus.receive(id, true) == range(5, 10));
  bus.commit(3);
  CHECK(bus.receive(id, true) == range(11, 13));
  CHECK(bus.receive(id, true).empty());
}

TEST_CASE("a subscriber that is up to date is served without reading the log") {
  bus_fixture bus;
  const auto id = bus.subscribe(0);
  for (int round = 0; round < 100; ++round) {
    bus.commit(5);
    CHECK(bus.receive(id, true).size() == 5);
  }
  CHECK(bus.pages_read == 0);
}

TEST_CASE("no more than the window is in flight") {
  bus_fixture bus;
  bus.commit(100);
  const auto id = bus.subscribe(0, 10);
  CHECK(bus.receive(id, false) == range(1, 10));
  CHECK(bus.receive(id, false).empty());
  bus.table.acknowledge(id, bus.last_cursor, bus.now);
  CHECK(bus.receive(id, false) == range(11, 20));
}

TEST_CASE("a subscriber that fell behind the ring goes on from the log without a gap") {
  subscription_table::options limits;
  limits.ring_events_max = 16;
  bus_fixture bus{limits};
  const auto id = bus.subscribe(0, 20);
  bus.commit(500);
  std::vector<std::uint64_t> seen;
  while (true) {
    const auto some = bus.receive(id, true);
    if (some.empty()) break;
    seen.insert(seen.end(), some.begin(), some.end());
  }
  CHECK(seen == range(1, 500));
  CHECK(bus.pages_read > 0);
}

TEST_CASE("a node that may lag behind others takes a cursor as soon as its log has come so far") {
  subscription_table::options limits;
  limits.may_lag = true;
  bus_fixture bus{limits};
  bus.commit(3);
  v1::SubscribeRequest request;
  request.set_after_seq(5);
  CHECK(bus.table.subscribe(request, 3, bus.now).failure().code == errc::unavailable);
  CHECK(bus.table.subscribe(request, 4, bus.now).failure().field == "after_seq");
  bus.commit(3);
  CHECK(bus.receive(bus.subscribe(5), true) == range(6, 6));
}

TEST_CASE("a filter lets only its events pass, and silence still moves the cursor") {
  subscription_table::options limits;
  limits.silent_events_max = 50;
  bus_fixture bus{limits};
  const auto id = bus.subscribe(0, 0, "task.failed");
  bus.commit(20);
  bus.commit(1, "task.failed");
  CHECK(bus.receive(id, true) == range(21, 21));
  bus.commit(60);
  CHECK(bus.receive(id, true).empty());
  CHECK(bus.table.acknowledged(id) == 81);
}

TEST_CASE("a subscription from now starts behind the newest event") {
  bus_fixture bus;
  bus.commit(7);
  v1::SubscribeRequest request;
  request.set_from_now(true);
  const auto response = bus.table.subscribe(request, 7, bus.now);
  REQUIRE(response);
  CHECK(response->cursor() == 7);
  bus.commit(2);
  CHECK(bus.receive(response->subscription_id(), true) == range(8, 9));
}

TEST_CASE("only a subscriber with something in flight can be silent for too long") {
  bus_fixture bus;
  const auto idle = bus.subscribe(0);
  const auto stuck = bus.subscribe(0);
  bus.now += 1h;
  bus.commit(5);
  bus.receive(idle, true);
  bus.receive(stuck, false);
  CHECK(bus.table.silent_since(bus.now).empty());
  bus.now += 31s;
  CHECK(bus.table.silent_since(bus.now - 30s) == std::vector<std::uint64_t>{stuck});
  CHECK(bus.table.acknowledged(stuck) == 0);
  CHECK(bus.table.lag_max() == 5);
}

TEST_CASE("an acknowledgement of what was never sent counts for nothing") {
  bus_fixture bus;
  bus.commit(5);
  const auto id = bus.subscribe(0, 2);
  bus.table.acknowledge(id, 99, bus.now);
  CHECK(bus.table.acknowledged(id) == 0);
  CHECK(bus.receive(id, false).size() == 2);
  bus.table.acknowledge(id, 99, bus.now);
  CHECK(bus.table.acknowledged(id) == 2);
}

TEST_CASE("bad subscriptions are refused with the field named") {
  subscription_table::options limits;
  limits.subscribers_max = 1;
  bus_fixture bus{limits};
  v1::SubscribeRequest ahead;
  ahead.set_after_seq(1);
  CHECK(bus.table.subscribe(ahead, 0, bus.now).failure().field == "after_seq");
  v1::SubscribeRequest wide;
  wide.set_window(10'001);
  CHECK(bus.table.subscribe(wide, 0, bus.now).failure().field == "window");
  bus.subscribe(0);
  CHECK(bus.table.subscribe({}, 0, bus.now).failure().code == errc::resource_exhausted);
  CHECK_FALSE(bus.table.unsubscribe(77));
}

TEST_CASE(
    "subscriptions of two nodes have different ids, so that a client does not take the batches of one for another's") {
  bus_fixture one;
  bus_fixture other;
  CHECK(one.subscribe(0) != other.subscribe(0));
}
