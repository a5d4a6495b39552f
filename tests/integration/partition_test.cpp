// A cluster whose nodes are on networks of their own (network namespaces), with links that fail.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/integration/cluster_load.hpp"
#include "tests/integration/tls_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t node_count = 3;

/// A network namespace for each node, all on one bridge with this process. Goes with its owner.
class networks {
 public:
  networks() : name_("hv" + std::to_string(::getpid() % 100'000)) {
    is_usable_ = ip({"link", "add", name_ + "b", "type", "bridge"}) &&
                 ip({"addr", "add", host(253) + "/24", "dev", name_ + "b"}) && ip({"link", "set", name_ + "b", "up"});
    for (std::size_t i = 0; i < node_count && is_usable_; ++i) is_usable_ = add(i);
  }
  ~networks() {
    for (std::size_t i = 0; i < node_count; ++i) ip({"netns", "del", space(i)});
    ip({"link", "del", name_ + "b"});
  }
  networks(const networks&) = delete;
  networks& operator=(const networks&) = delete;

  [[nodiscard]] bool is_usable() const { return is_usable_; }
  [[nodiscard]] std::string host(std::size_t i) const { return subnet_ + std::to_string(i + 1); }
  [[nodiscard]] std::string space(std::size_t i) const { return name_ + "n" + std::to_string(i); }

  void set_link(std::size_t i, const std::string& up_or_down) const {
    REQUIRE(ip({"link", "set", name_ + "v" + std::to_string(i), up_or_down}));
  }
  /// What `from` sends to `to` is lost from now on; what comes the other way arrives.
  void block(std::size_t from, std::size_t to) const {
    REQUIRE(ip({"-n", space(from), "route", "add", "blackhole", host(to) + "/32"}));
  }
  void unblock(std::size_t from, std::size_t to) const {
    REQUIRE(ip({"-n", space(from), "route", "del", "blackhole", host(to) + "/32"}));
  }

 private:
  static bool ip(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ip");
    return run(std::move(arguments)).status == 0;
  }
  [[nodiscard]] bool add(std::size_t i) const {
    const std::string outer = name_ + "v" + std::to_string(i);
    return ip({"netns", "add", space(i)}) &&
           ip({"link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", space(i)}) &&
           ip({"link", "set", outer, "master", name_ + "b"}) && ip({"link", "set", outer, "up"}) &&
           ip({"-n", space(i), "addr", "add", host(i) + "/24", "dev", "eth0"}) &&
           ip({"-n", space(i), "link", "set", "eth0", "up"}) && ip({"-n", space(i), "link", "set", "lo", "up"});
  }

  std::string name_;
  std::string subnet_ = "10.201." + std::to_string(::getpid() % 250) + ".";  // two runs at a time do not meet
  bool is_usable_ = false;
};

cluster_network network_of(const networks& spaces, const certificates& issued) {
  std::vector<std::string> issue{"issue", "node", "nodes"};
  cluster_network made;
  for (std::size_t i = 0; i < node_count; ++i) {
    made.hosts.push_back(spaces.host(i));
    made.prefixes.push_back({"ip", "netns", "exec", spaces.space(i)});
    issue.insert(issue.end(), {"--host", spaces.host(i)});
  }
  issued.tls(issue);
  issued.tls({"issue", "client,worker,operator", "me"});
  made.settings = issued.node_settings("nodes");
  made.client = issued.client_settings("me", "");
  made.environment = issued.environment("me", "");
  made.environment.erase(made.environment.begin());  // the endpoint
  return made;
}

}  // namespace

TEST_CASE("a cluster goes on while links of its leader fail, wholly or one way, and loses nothing") {
  const networks spaces;
  if (!spaces.is_usable()) {
    WARN("skipped: network namespaces are not permitted here");
    return;
  }
  const certificates issued("test");
  cluster members(node_count, {}, {}, network_of(spaces, issued));
  const auto worker = members.start_worker("w1", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(50));

  const std::size_t first = members.wait_leader();
  spaces.set_link(first, "down");
  const bool is_replaced = load.wait_for_more(50);
  spaces.set_link(first, "up");
  if (!is_replaced) FAIL("the leader's link was down\n" << members.logs());
  members.wait_caught_up({0, 1, 2});
  CHECK(members.wait_leader() != first);

  // The leader's messages do not get to one follower: the other one is enough.
  const std::size_t second = members.wait_leader();
  const std::size_t deaf = (second + 1) % node_count;
  spaces.block(second, deaf);
  const bool has_majority = load.wait_for_more(50);
  spaces.unblock(second, deaf);
  if (!has_majority) FAIL("one follower did not hear the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  // The leader hears everybody, and nobody hears it.
  const std::size_t third = members.wait_leader();
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.block(third, i);
  }
  const bool is_replaced_again = load.wait_for_more(50);
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.unblock(third, i);
  }
  if (!is_replaced_again) FAIL("nobody heard the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  const auto wrong = load.finish();
  if (!wrong.empty()) UNSCOPED_INFO(members.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
}
