#include <catch2/catch.hpp>

#include "client/endpoint_search.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;

std::vector<config::endpoint> endpoints_of(const std::string& text) {
  return config::parse_endpoints(text, "endpoint").value();
}

config::endpoint at(const std::string& text) { return config::parse_endpoint(text, "endpoint").value(); }

std::string next_of(endpoint_search& search) { return config::to_string(search.next().to); }

TEST_CASE("endpoints are tried in turn without a pause, and a new round pauses longer each time up to a limit") {
  endpoint_search search(endpoints_of("a:1,b:2"));
  auto expected_pause = 50ms;
  for (int round = 0; round < 8; ++round) {
    const auto first = search.next();
    CHECK(config::to_string(first.to) == "a:1");
    CHECK(first.pause == (round == 0 ? 0ms : expected_pause));
    if (round > 0) expected_pause = std::min(expected_pause * 2, 800ms);
    search.on_unreachable(first.to, false);
    const auto second = search.next();
    CHECK(config::to_string(second.to) == "b:2");
    CHECK(second.pause == 0ms);
    search.on_unreachable(second.to, false);
  }
}

TEST_CASE("a named leader is tried next, unless it has just been tried in vain") {
  endpoint_search search(endpoints_of("a:1,b:2"));
  CHECK(next_of(search) == "a:1");
  CHECK(search.on_follower(at("a:1"), "c:3", false));
  const auto named = search.next();
  CHECK(config::to_string(named.to) == "c:3");
  CHECK(named.pause == 0ms);
  search.on_unreachable(named.to, false);
  CHECK(next_of(search) == "b:2");
  CHECK_FALSE(search.on_follower(at("b:2"), "c:3", false));
  // The node said something else in between: the leader may be back.
  CHECK(search.on_follower(at("b:2"), "c:3", true));
  CHECK(search.next().pause == 0ms);
}

TEST_CASE("nodes that name each other are tried with growing pauses") {
  endpoint_search search(endpoints_of("a:1"));
  CHECK(next_of(search) == "a:1");
  std::vector<std::chrono::milliseconds> pauses;
  std::string here = "a:1";
  for (int i = 0; i < 7; ++i) {
    const std::string other = here == "a:1" ? "b:2" : "a:1";
    REQUIRE(search.on_follower(at(here), other, false));
    const auto step = search.next();
    CHECK(config::to_string(step.to) == other);
    pauses.push_back(step.pause);
    here = other;
  }
  CHECK(pauses == std::vector<std::chrono::milliseconds>{0ms, 50ms, 100ms, 200ms, 400ms, 800ms, 800ms});
}

TEST_CASE("a leader that is unknown, malformed or the node itself is not gone to") {
  endpoint_search search(endpoints_of("a:1"));
  CHECK_FALSE(search.on_follower(at("a:1"), "", false));
  CHECK_FALSE(search.on_follower(at("a:1"), "a:1", false));
  CHECK_FALSE(search.on_follower(at("a:1"), "nonsense", false));
  CHECK_FALSE(search.on_follower(at("a:1"), "a:0", false));
}

TEST_CASE("members that a node tells of are tried behind the configured ones, and forgotten with newer news") {
  endpoint_search search(endpoints_of("a:1"));
  v1::Leadership told;
  for (const char* one : {"b:2", "a:1", "nonsense", "c:3"}) told.add_endpoints(one);
  search.learn(told);
  for (const char* expected : {"a:1", "b:2", "c:3"}) {
    const auto step = search.next();
    CHECK(config::to_string(step.to) == expected);
    search.on_unreachable(step.to, false);
  }
  told.clear_endpoints();
  told.add_endpoints("d:4");
  search.learn(told);
  CHECK(next_of(search) == "d:4");
}

TEST_CASE("after a lost session the other nodes come first, and a good session ends the growth of pauses") {
  endpoint_search search(endpoints_of("a:1,b:2"));
  CHECK(next_of(search) == "a:1");
  search.on_session_over(at("a:1"), 5ms);
  const auto other = search.next();
  CHECK(config::to_string(other.to) == "b:2");
  CHECK(other.pause == 0ms);
  search.on_unreachable(other.to, false);
  CHECK(search.next().pause == 50ms);
  search.on_session_over(at("a:1"), 5ms);
  search.on_unreachable(search.next().to, false);
  CHECK(search.next().pause == 100ms);
  search.on_session_over(at("a:1"), 5s);
  search.on_unreachable(search.next().to, false);
  CHECK(search.next().pause == 50ms);
}

TEST_CASE("one node that speaks another protocol is no refusal by all") {
  endpoint_search search(endpoints_of("a:1,b:2"));
  search.on_unreachable(search.next().to, true);
  CHECK_FALSE(search.is_refused_by_all());
  SECTION("the other one too") {
    search.on_unreachable(search.next().to, true);
    CHECK(search.is_refused_by_all());
  }
  SECTION("the other one is only down") {
    search.on_unreachable(search.next().to, false);
    CHECK_FALSE(search.is_refused_by_all());
  }
}

}  // namespace
}  // namespace hive
