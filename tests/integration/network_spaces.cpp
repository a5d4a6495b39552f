#include "tests/integration/network_spaces.hpp"

#include <unistd.h>

#include <stdexcept>

namespace hive::test {
namespace {

bool succeeds(std::vector<std::string> command) { return run(std::move(command)).status == 0; }

bool ip(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ip");
  return succeeds(std::move(arguments));
}

void must(std::vector<std::string> command) {
  const std::string name = command.front();
  const auto done = run(std::move(command));
  if (done.status != 0) throw std::runtime_error(name + " failed: " + done.output);
}

std::vector<std::string> shaping(const std::string& action, const std::string& device) {
  return {"tc", "qdisc", action, "dev", device, "root"};
}

std::vector<std::string> limit(std::vector<std::string> command, const std::string& rate, const std::string& queue) {
  // The bucket holds a handful of full packets, so that the rate holds for short messages, too.
  command.insert(command.end(), {"tbf", "rate", rate, "burst", "8kb", "latency", queue});
  return command;
}

std::vector<std::string> inside(const std::string& space, std::vector<std::string> command) {
  command.insert(command.begin(), {"ip", "netns", "exec", space});
  return command;
}

}  // namespace

network_spaces::network_spaces(std::size_t count, const last_will& will)
    : name_("hv" + std::to_string(::getpid() % 100'000)),
      subnet_("10.201." + std::to_string(::getpid() % 250) + "."),  // two runs at a time do not meet
      count_(count) {
  will.add("ip link del " + name_ + "b");
  is_usable_ = ip({"link", "add", name_ + "b", "type", "bridge"}) &&
               ip({"addr", "add", subnet_ + "254/24", "dev", name_ + "b"}) && ip({"link", "set", name_ + "b", "up"});
  for (std::size_t i = 0; i < count && is_usable_; ++i) is_usable_ = add(i, will);
  if (!is_usable_ || count == 0) return;
  can_be_slow_ = succeeds(limit(shaping("add", outer(0)), "1mbit", "500ms"));
  if (can_be_slow_) must(shaping("del", outer(0)));
}

bool network_spaces::add(std::size_t i, const last_will& will) const {
  const std::string name = space(i);
  // The link by itself: a space may live on while the kernel still knows connections of those that were killed there.
  will.add("if [ -e /sys/class/net/" + outer(i) + " ]; then ip link del " + outer(i) + "; fi");
  will.add("if [ -e /run/netns/" + name + " ]; then ip netns pids " + name + " | xargs -r kill -9; ip netns del " +
           name + "; fi");
  return ip({"netns", "add", name}) &&
         ip({"link", "add", outer(i), "type", "veth", "peer", "name", "eth0", "netns", name}) &&
         ip({"link", "set", outer(i), "master", name_ + "b"}) && ip({"link", "set", outer(i), "up"}) &&
         ip({"-n", name, "addr", "add", host(i) + "/24", "dev", "eth0"}) &&
         ip({"-n", name, "link", "set", "eth0", "up"}) && ip({"-n", name, "link", "set", "lo", "up"});
}

void network_spaces::set_link(std::size_t i, const std::string& up_or_down) const {
  must({"ip", "link", "set", outer(i), up_or_down});
}

void network_spaces::block(std::size_t from, std::size_t to) const {
  must({"ip", "-n", space(from), "route", "add", "blackhole", host(to) + "/32"});
}

void network_spaces::unblock(std::size_t from, std::size_t to) const {
  must({"ip", "-n", space(from), "route", "del", "blackhole", host(to) + "/32"});
}

void network_spaces::slow(std::size_t i, const std::string& rate, const std::string& queue) const {
  must(limit(shaping("add", outer(i)), rate, queue));
  must(inside(space(i), limit(shaping("add", "eth0"), rate, queue)));
}

void network_spaces::unslow(std::size_t i) const {
  must(shaping("del", outer(i)));
  must(inside(space(i), shaping("del", "eth0")));
}

cluster_network network_of(const network_spaces& spaces, const certificates& issued, std::size_t node_count) {
  std::vector<std::string> issue{"issue", "node", "nodes"};
  cluster_network made;
  for (std::size_t i = 0; i < spaces.size(); ++i) issue.insert(issue.end(), {"--host", spaces.host(i)});
  for (std::size_t i = 0; i < node_count; ++i) {
    made.hosts.push_back(spaces.host(i));
    made.prefixes.push_back(spaces.prefix(i));
  }
  issued.tls(issue);
  issued.tls({"issue", "client,worker,operator", "me"});
  made.settings = issued.node_settings("nodes");
  made.client = issued.client_settings("me", "");
  made.environment = issued.environment("me", "");
  made.environment.erase(made.environment.begin());  // the endpoint
  return made;
}

}  // namespace hive::test
