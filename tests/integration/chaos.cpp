#include "tests/integration/chaos.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace hive::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t node_count = 3;
constexpr auto recovery = 90s;  // generous: the machine may be busy with other tests
constexpr std::size_t progress = 20;
constexpr const char* disk_size = "2g";  // of memory, should it be used
constexpr std::uintmax_t room_left = 64UL * 1024;
constexpr std::size_t large_payload = 200'000;
constexpr std::size_t large_tasks_max = 200;

const std::map<fault_kind, std::string> names{
    {fault_kind::kill_one, "kill -9"},           {fault_kind::stop_one, "SIGSTOP"},
    {fault_kind::link_down, "link down"},        {fault_kind::one_way, "one way blocked"},
    {fault_kind::slow_link, "slow link"},        {fault_kind::kill_all, "kill -9 of all"},
    {fault_kind::transfer, "planned transfer"},  {fault_kind::rolling_restart, "rolling restart"},
    {fault_kind::replace, "wiped and replaced"}, {fault_kind::full_disk, "disk full"},
};

/// What hived says each time it cannot write.
std::size_t full_disk_lines(const process& hived) {
  const auto text = hived.output();
  std::size_t count = 0;
  for (auto at = text.find("the disk is full"); at != std::string::npos; at = text.find("the disk is full", at + 1))
    ++count;
  return count;
}

}  // namespace

std::string to_string(fault_kind kind) { return names.at(kind); }

fault draw_fault(fault_kind kind, std::mt19937& random) {
  const auto pick = [&random](int from, int to) { return std::uniform_int_distribution<int>{from, to}(random); };
  fault made;
  made.kind = kind;
  made.hits_leader = pick(0, 1) == 0;
  made.victim = static_cast<std::size_t>(pick(0, node_count - 1));
  made.variant = static_cast<unsigned>(pick(0, 5));
  made.is_long = pick(0, 1) == 0;
  made.duration = std::chrono::milliseconds(pick(10, 2'000));
  made.is_settled = pick(0, 1) == 0;
  return made;
}

std::string describe(const fault& of) {
  std::ostringstream text;
  text << to_string(of.kind) << ", " << (of.hits_leader ? "leader" : "node " + std::to_string(of.victim))
       << ", variant " << of.variant << ", " << (of.is_long ? "long" : std::to_string(of.duration.count()) + " ms")
       << (of.is_settled ? ", then settled" : "");
  return text.str();
}

chaos::chaos() : has_disks_(can_mount()) {
  // A space more than nodes: where a lost one is replaced.
  spaces_.emplace(node_count + 1, will_);
  const auto prepare = [this](std::size_t i, const std::filesystem::path& folder) {
    if (has_disks_ && !disks_[i].mount(folder, disk_size, will_)) throw std::runtime_error("cannot mount a disk");
  };
  cluster_.emplace(node_count, std::vector<std::string>{}, prepare, make_network());
  // For one that is interrupted.
  const auto certificate = std::filesystem::path(issued_.files("me").certificate);
  will_.add("rm -rf --one-file-system " + certificate.parent_path().parent_path().string());
  will_.add("rm -rf --one-file-system " + cluster_->folder().string());
  for (std::size_t i = 0; i < node_count; ++i) {
    nodes_.push_back(i);
    space_[i] = i;
  }
  free_space_ = node_count;
  next_id_ = node_count + 1;
  for (const char* name : {"w1", "w2"}) {
    workers_.push_back(cluster_->start_worker(name, 8));
    // They live in no namespace that ends them. By then the number may be another process's.
    const auto pid = std::to_string(workers_.back().pid());
    will_.add("if grep -q hive_test_worker /proc/" + pid + "/cmdline; then kill -9 " + pid + "; fi");
  }
  load_.emplace(*cluster_);
  expect_progress("at the start");
}

chaos::~chaos() = default;

cluster_network chaos::make_network() {
  if (spaces_->is_usable()) return network_of(*spaces_, issued_, node_count);
  issued_.tls({"issue", "node", "nodes", "--host", "127.0.0.1", "--host", "localhost"});
  issued_.tls({"issue", "client,worker,operator", "me"});
  cluster_network made;
  made.settings = issued_.node_settings("nodes");
  made.client = issued_.client_settings("me", "");
  made.environment = issued_.environment("me", "");
  made.environment.erase(made.environment.begin());  // the endpoint
  return made;
}

std::vector<fault_kind> chaos::kinds() const {
  std::vector<fault_kind> made{fault_kind::kill_one, fault_kind::stop_one,        fault_kind::kill_all,
                               fault_kind::transfer, fault_kind::rolling_restart, fault_kind::replace};
  if (spaces_->is_usable()) made.insert(made.end(), {fault_kind::link_down, fault_kind::one_way});
  if (spaces_->can_be_slow()) made.push_back(fault_kind::slow_link);
  if (has_disks_) made.push_back(fault_kind::full_disk);
  return made;
}

void chaos::expect(bool is_right, const std::string& complaint) {
  if (!is_right) throw std::runtime_error(complaint + "\n" + logs());
}

void chaos::expect_progress(const std::string& when) {
  expect(load_->wait_for_more(progress, recovery), "the cluster does not go on " + when);
}

void chaos::endure(const fault& what) {
  if (what.is_long) {
    expect_progress("during " + describe(what));
    return;
  }
  const auto until = std::chrono::steady_clock::now() + what.duration;
  eventually([&] { return std::chrono::steady_clock::now() >= until; });
}

std::size_t chaos::victim_of(const fault& what) {
  return what.hits_leader ? cluster_->wait_leader(recovery) : nodes_.at(what.victim);
}

void chaos::strike(const fault& what) {
  const std::size_t victim = victim_of(what);
  switch (what.kind) {
    case fault_kind::kill_one:
      cluster_->kill(victim);
      endure(what);
      cluster_->start(victim);
      break;
    case fault_kind::stop_one:
      cluster_->pause(victim);
      endure(what);
      cluster_->resume(victim);
      break;
    case fault_kind::link_down:
      spaces_->set_link(space_[victim], "down");
      endure(what);
      spaces_->set_link(space_[victim], "up");
      break;
    case fault_kind::one_way:
      cut_one_way(what, victim);
      break;
    case fault_kind::slow_link: {
      const std::vector<std::string> rates{"64kbit", "128kbit", "256kbit", "512kbit", "1mbit", "2mbit"};
      spaces_->slow(space_[victim], rates.at(what.variant), "500ms");
      endure(what);
      spaces_->unslow(space_[victim]);
      break;
    }
    case fault_kind::kill_all:
      kill_all();
      break;
    case fault_kind::transfer:
      transfer(what);
      break;
    case fault_kind::rolling_restart:
      restart_in_turn();
      break;
    case fault_kind::replace:
      replace(victim);
      break;
    case fault_kind::full_disk:
      fill_disk(victim);
      break;
  }
  expect_progress("after " + describe(what));
  if (what.is_settled) cluster_->wait_caught_up(nodes_, recovery);
}

std::vector<std::string> chaos::finish() {
  auto wrong = load_->finish();
  for (auto& one : workers_) {
    if (!one.is_running()) wrong.push_back("a worker has ended, which nothing should make it do");
  }
  return wrong;
}

void chaos::cut_one_way(const fault& what, std::size_t victim) {
  std::vector<std::size_t> others;
  for (const std::size_t i : nodes_) {
    if (i != victim) others.push_back(i);
  }
  std::vector<std::pair<std::size_t, std::size_t>> cuts;  // from, to
  switch (what.variant % 3) {
    case 0:  // one does not hear it
      cuts.emplace_back(victim, others.front());
      break;
    case 1:  // nobody hears it
      for (const std::size_t i : others) cuts.emplace_back(victim, i);
      break;
    default:  // it hears nobody
      for (const std::size_t i : others) cuts.emplace_back(i, victim);
      break;
  }
  for (const auto& [from, to] : cuts) spaces_->block(space_[from], space_[to]);
  endure(what);
  for (const auto& [from, to] : cuts) spaces_->unblock(space_[from], space_[to]);
}

void chaos::kill_all() {
  for (const std::size_t i : nodes_) cluster_->kill(i);
  for (const std::size_t i : nodes_) cluster_->start(i);
}

void chaos::ctl(std::vector<std::string> arguments) {
  std::string text = "hivectl";
  for (const auto& one : arguments) text += " " + one;
  const auto done = cluster_->ctl(std::move(arguments));
  expect(done.status == 0, text + " failed: " + done.output);
}

void chaos::transfer(const fault& what) {
  cluster_->wait_caught_up(nodes_, recovery);  // it is planned
  const std::size_t leader = cluster_->wait_leader(recovery);
  std::size_t heir = nodes_.at(what.victim);
  if (heir == leader) heir = nodes_.at((what.victim + 1) % node_count);
  ctl({"cluster", "transfer", std::to_string(cluster_->node_id(heir))});
}

void chaos::restart_in_turn() {
  for (const std::size_t i : std::vector<std::size_t>{nodes_}) {
    cluster_->wait_caught_up(nodes_, recovery);
    const int status = cluster_->stop(i, recovery);
    expect(status == 0, "a node does not stop in good order: " + std::to_string(status));
    cluster_->start(i);
  }
}

void chaos::replace(std::size_t lost) {
  cluster_->wait_caught_up(nodes_, recovery);  // or what is lost may have been a majority's only copy
  cluster_->kill(lost);
  cluster_->wipe(lost);
  const auto id = next_id_++;
  const bool has_space = spaces_->is_usable();
  const std::size_t added = has_space
                                ? cluster_->add_waiting_at(id, spaces_->host(free_space_), spaces_->prefix(free_space_))
                                : cluster_->add_waiting(id);
  ctl({"cluster", "add", std::to_string(id), cluster_->endpoint(added), "--for", "50s"});
  ctl({"cluster", "remove", std::to_string(cluster_->node_id(lost))});
  space_[added] = free_space_;
  free_space_ = space_[lost];
  std::replace(nodes_.begin(), nodes_.end(), lost, added);
}

void chaos::fill_disk(std::size_t victim) {
  cluster_->wait_caught_up(nodes_, recovery);
  const auto& disk = disks_.at(victim);
  const auto lines = full_disk_lines(cluster_->hived(victim));
  disk.fill(room_left);
  std::size_t created = 0;
  while (full_disk_lines(cluster_->hived(victim)) == lines) {
    expect(created < large_tasks_max, "a node does not say that its disk is full");
    expect(load_->create_large(large_payload), "the cluster does not go on with a full disk on one node");
    ++created;
  }
  expect_progress("with a full disk on one node");
  disk.resize(disk_size);
  cluster_->wait_caught_up(nodes_, recovery);
}

}  // namespace hive::test
