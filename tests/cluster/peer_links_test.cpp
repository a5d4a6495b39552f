#include "cluster/peer_links.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <catch2/catch.hpp>

#include "cluster/peer_link.hpp"
#include "config/logging.hpp"
#include "tests/cluster/fake_peer.hpp"
#include "tests/gate/gate_fixture.hpp"

using namespace hive;
using hive::cluster::peer_links;
using hive::cluster::peer_links_options;
using hive::test::fake_peer;
using hive::test::told_events;
using events = std::vector<told_events::event>;

namespace {

peer_links_options own_options() {
  peer_links_options options;
  options.hello.set_cluster("test");
  options.hello.set_node_id(1);
  options.hello.set_endpoint("127.0.0.1:7117");
  options.hello.set_incarnation(77);
  return options;
}

v1::PeerMessage numbered(std::uint64_t number) {
  v1::PeerMessage message;
  message.set_sequence(number);
  return message;
}

/// The first session of a link; null if there is none within 20 s.
class first_session final : public link_observer {
 public:
  void on_link_up(const link_session_ptr& session) override {
    if (!is_set_.exchange(true)) told_.set_value(session);
  }
  void on_link_down(const error&) override {}
  link_session_ptr wait() {
    auto answer = told_.get_future();
    return answer.wait_for(std::chrono::seconds(20)) == std::future_status::ready ? answer.get() : nullptr;
  }

 private:
  std::atomic<bool> is_set_{false};
  std::promise<link_session_ptr> told_;
};

/// The lines that the component "cluster" writes while this lives.
class caught_log {
 public:
  caught_log() { config::logger("cluster")->sinks().push_back(lines_); }
  ~caught_log() { std::erase(config::logger("cluster")->sinks(), lines_); }

  [[nodiscard]] std::size_t count(const std::string& what) const { return lines_->count(what); }
  /// False if there was none within 20 s.
  [[nodiscard]] bool wait_for(const std::string& what) const { return lines_->wait_for(what); }

 private:
  class line_sink final : public spdlog::sinks::base_sink<std::mutex> {
   public:
    std::size_t count(const std::string& what) {
      const std::lock_guard lock(own_mutex_);
      return count_locked(what);
    }
    bool wait_for(const std::string& what) {
      std::unique_lock lock(own_mutex_);
      return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return count_locked(what) > 0; });
    }

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      const std::lock_guard lock(own_mutex_);
      lines_.emplace_back(message.payload.data(), message.payload.size());
      changed_.notify_all();
    }
    void flush_() override {}
    [[nodiscard]] std::size_t count_locked(const std::string& what) const {
      return static_cast<std::size_t>(std::count_if(
          lines_.begin(), lines_.end(), [&](const auto& line) { return line.find(what) != std::string::npos; }));
    }

    std::mutex own_mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
  };
  std::shared_ptr<line_sink> lines_ = std::make_shared<line_sink>();
};

}  // namespace

TEST_CASE("a peer link says who it is and announces the session that the peer named") {
  fake_peer peer;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{1, "127.0.0.1:7117"}, {2, peer.endpoint()}});
  CHECK(told.wait_for(1) == events{{2, 101}});
  const std::lock_guard lock(peer.script().mutex);
  REQUIRE(peer.script().hellos.size() == 1);
  const auto& hello = peer.script().hellos.front();
  CHECK(hello.cluster() == "test");
  CHECK(hello.node_id() == 1);
  CHECK(hello.receiver_id() == 2);
  CHECK(hello.incarnation() == 77);
}

TEST_CASE("who starts to listen late is told of the peers that are up") {
  fake_peer peer;
  told_events early;
  told_events late;
  peer_links links(own_options());
  links.report_to(early.handle());
  links.reach({{2, peer.endpoint()}});
  REQUIRE(early.wait_for(1).size() == 1);
  links.report_to(late.handle());
  CHECK(late.wait_for(1) == events{{2, 101}});
}

TEST_CASE("messages to a peer arrive in the order in which they were sent") {
  fake_peer peer;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.send(2, numbered(0));  // not up: dropped
  links.reach({{2, peer.endpoint()}});
  REQUIRE(told.wait_for(1).size() == 1);
  constexpr std::uint64_t count = 2'000;
  for (std::uint64_t number = 1; number <= count; ++number) links.send(2, numbered(number));
  links.send(3, numbered(1));  // there is no such peer
  auto& script = peer.script();
  REQUIRE(script.wait_for([&] { return script.messages.size() == count; }));
  const std::lock_guard lock(script.mutex);
  std::uint64_t expected = 1;
  for (const auto& message : script.messages) REQUIRE(message.sequence() == expected++);
}

TEST_CASE("a message with an entry of some megabytes arrives whole") {
  fake_peer peer;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{2, peer.endpoint()}});
  REQUIRE(told.wait_for(1).size() == 1);
  v1::PeerMessage message;
  message.mutable_append_entries()->add_entries()->set_payload(std::string(3U << 20U, 'x'));
  links.send(2, message);
  auto& script = peer.script();
  REQUIRE(script.wait_for([&] { return script.messages.size() == 1; }));
  const std::lock_guard lock(script.mutex);
  CHECK(script.messages.front().SerializeAsString() == message.SerializeAsString());
}

TEST_CASE("a lost peer is told of, and comes back with another session") {
  fake_peer peer;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{2, peer.endpoint()}});
  REQUIRE(told.wait_for(1).size() == 1);
  peer.relay().cut();
  CHECK(told.wait_for(3) == events{{2, 101}, {2, 0}, {2, 102}});
  links.send(2, numbered(1));
  auto& script = peer.script();
  CHECK(script.wait_for([&] { return script.messages.size() == 1; }));
}

TEST_CASE("a refused hello is tried again, and the reason is logged once") {
  const caught_log log;
  fake_peer peer;
  told_events told;
  peer.script().hellos_to_refuse = 3;
  {
    peer_links links(own_options());
    links.report_to(told.handle());
    links.reach({{2, peer.endpoint()}});
    CHECK(told.wait_for(1) == events{{2, 101}});
  }
  CHECK(peer.script().hellos.size() == 4);
  CHECK(log.count("refuses this node peer=2") == 1);
  CHECK(log.count("another cluster") == 1);
}

TEST_CASE("a hello that is never answered is said again") {
  fake_peer peer;
  told_events told;
  peer.script().hellos_to_swallow = 1;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{2, peer.endpoint()}});
  CHECK(told.wait_for(1) == events{{2, 101}});
}

TEST_CASE("peers that are no longer wanted are closed, and those that moved are followed") {
  fake_peer first;
  fake_peer second;
  fake_peer moved;
  moved.script().sessions = 500;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{2, first.endpoint()}, {3, second.endpoint()}});
  const auto up = told.wait_for(2);
  REQUIRE(up.size() == 2);
  CHECK(up[0].node_id != up[1].node_id);
  links.reach({{2, moved.endpoint()}});
  const auto all = told.wait_for(5);
  REQUIRE(all.size() == 5);
  CHECK(events(all.begin() + 2, all.begin() + 4) == events{{2, 0}, {3, 0}});
  CHECK(all.back() == told_events::event{2, 501});
  links.send(2, numbered(1));
  auto& script = moved.script();
  CHECK(script.wait_for([&] { return script.messages.size() == 1; }));
}

TEST_CASE("a session that is older than the newest one is not taken up") {
  fake_peer peer;
  told_events told;
  const auto shared = runtime::instance();
  hive::link connection(shared, {"127.0.0.1", static_cast<std::uint16_t>(std::stoul(peer.endpoint().substr(10)))}, {});
  const auto first = std::make_shared<first_session>();
  connection.observe(first);
  const auto session = connection.current() ? connection.current() : first->wait();
  REQUIRE(session);
  auto newer = std::make_shared<link_session>(*session);
  newer->generation += 1;
  const auto direction = std::make_shared<cluster::peer_link>(shared, cluster::peer_links::peer{2, peer.endpoint()},
                                                              own_options().hello, told.handle());
  direction->on_link_up(newer);
  REQUIRE(told.wait_for(1) == events{{2, 101}});
  direction->on_link_up(session);  // somebody had asked the link before it came up anew
  direction->send(numbered(1));
  auto& script = peer.script();
  CHECK(script.wait_for([&] { return script.messages.size() == 1; }));
  CHECK(script.hellos.size() == 1);
  direction->close();
}

TEST_CASE("a peer that is not there does not hold up the others, nor the end") {
  fake_peer peer;
  told_events told;
  peer_links links(own_options());
  links.report_to(told.handle());
  links.reach({{2, "127.0.0.1:1"}, {3, peer.endpoint()}, {4, "no endpoint"}});
  CHECK(told.wait_for(1) == events{{3, 101}});
  links.close();
  links.reach({{3, peer.endpoint()}});
  links.send(3, numbered(1));
  const std::lock_guard lock(peer.script().mutex);
  CHECK(peer.script().messages.empty());
}

TEST_CASE("with TLS a node's certificate opens the link, through the gate of the other one") {
  const gate::test::test_authority authority;
  fake_peer peer(authority.issue("n2", gate::role::node));
  told_events told;
  auto options = own_options();
  options.security = authority.issue("n1", gate::role::node);
  peer_links links(std::move(options));
  links.report_to(told.handle());
  links.reach({{2, peer.endpoint()}});
  REQUIRE(told.wait_for(1) == events{{2, 101}});
  v1::PeerMessage message;
  message.mutable_append_entries()->add_entries()->set_payload(std::string(1U << 20U, 'x'));
  links.send(2, message);
  links.send(2, numbered(7));
  auto& script = peer.script();
  REQUIRE(script.wait_for([&] { return script.messages.size() == 2; }));
  CHECK(script.messages.back().sequence() == 7);
  peer.relay().cut();
  CHECK(told.wait_for(3) == events{{2, 101}, {2, 0}, {2, 102}});
}

TEST_CASE("with TLS an operator's certificate is no node's, and is refused in words") {
  const caught_log log;
  const gate::test::test_authority authority;
  {
    fake_peer peer(authority.issue("n2", gate::role::node));
    auto options = own_options();
    options.security = authority.issue("olga", gate::role::client | gate::role::operator_);
    peer_links links(std::move(options));
    links.reach({{2, peer.endpoint()}});
    CHECK(log.wait_for("permission_denied"));
    CHECK(log.count("refuses this node peer=2") == 1);
    CHECK(peer.script().hellos.empty());
  }
}
