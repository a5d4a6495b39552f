#include "apps/hive-bench/bench_cluster.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <stdexcept>

#include "apps/hive-bench/free_ports.hpp"
#include "apps/hive-bench/load_processes.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto start_patience = 60s;
constexpr auto catch_up_patience = 60s;
constexpr auto connect_patience = 10s;
constexpr int start_tries_max = 5;

std::shared_ptr<client> connect_with(const config::client_config& settings) {
  auto connection = hive::connect(settings);
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  if (auto hello = (*connection)->wait_connected(connect_patience); !hello)
    throw std::runtime_error(to_string(hello.failure()));
  return *connection;
}

}  // namespace

bench_cluster::bench_cluster(const bench_options& options) : folder_(options.folder), endpoint_(options.endpoint) {
  if (!endpoint_.empty()) return;
  if (options.nodes == 1)
    start_alone();
  else
    start_members(options.nodes);
}

bench_cluster::~bench_cluster() {
  workers_.clear();
  subscribers_.clear();
  // All at once: one after another would hand leadership on to the next that ends.
  for (auto& one : nodes_) one.terminate();
}

void bench_cluster::start_alone() {
  nodes_.emplace_back(folder_.path(), std::uint16_t{0}, std::vector<std::string>{});
  nodes_.back().start();
}

void bench_cluster::start_members(unsigned count) {
  for (int tries = 1; !try_members(count); ++tries) {
    if (tries == start_tries_max) {
      std::string logs;
      for (const auto& one : nodes_) logs += one.log();
      throw std::runtime_error("the cluster did not start: " + logs);
    }
  }
  wait_caught_up(*connect());
}

bool bench_cluster::try_members(unsigned count) {
  nodes_.clear();
  const auto ports = free_ports(count);
  std::string peers;
  for (unsigned index = 0; index < count; ++index) {
    peers += (index == 0 ? "" : ",") + std::to_string(index + 1) + "=127.0.0.1:" + std::to_string(ports[index]);
  }
  for (unsigned index = 0; index < count; ++index) {
    const auto number = std::to_string(index + 1);
    nodes_.emplace_back(
        folder_.path() / ("node-" + number), ports[index],
        std::vector<std::string>{"cluster.name=bench", "cluster.node_id=" + number, "cluster.peers=" + peers});
    // The members stand in the data with their ports, so that other ports need other data.
    nodes_.back().wipe();
    nodes_.back().spawn();
  }
  return std::all_of(nodes_.begin(), nodes_.end(), [](bench_node& one) { return one.wait_up(); });
}

std::string bench_cluster::endpoints() const {
  if (!endpoint_.empty()) return endpoint_;
  std::string all;
  for (const auto& one : nodes_) all += (all.empty() ? "" : ",") + one.endpoint();
  return all;
}

std::shared_ptr<client> bench_cluster::connect(bool is_coalescing) const {
  auto settings = bench_client_config(endpoints());
  settings.is_coalescing = is_coalescing;
  return connect_with(settings);
}

std::shared_ptr<client> bench_cluster::connect_to(std::size_t index, const std::string& reads) const {
  auto settings = bench_client_config(nodes_.at(index).endpoint());
  settings.prefer = "any";
  settings.reads = reads;
  return connect_with(settings);
}

std::size_t bench_cluster::leader_of(client& connection) const {
  // A link for the leader has no session with a node that does not lead.
  std::string at;
  poll_until(
      [&] {
        at = connection.endpoint();
        return !at.empty();
      },
      connect_patience);
  const auto found =
      std::find_if(nodes_.begin(), nodes_.end(), [&](const bench_node& one) { return one.endpoint() == at; });
  if (found == nodes_.end()) throw std::runtime_error("none of the nodes leads");
  return static_cast<std::size_t>(found - nodes_.begin());
}

void bench_cluster::wait_caught_up(client& connection) const {
  if (size() < 2) return;
  std::uint64_t wanted = 0;
  const auto is_done = [&] {
    const auto told = connection.cluster_status();
    if (!told || told->role() != "leader" || told->commit_index() == 0) return false;
    if (wanted == 0) wanted = told->commit_index();
    // What a member has acknowledged counts anew in each term, so that none of it is from before it was killed.
    return std::all_of(told->members().begin(), told->members().end(), [&](const v1::ClusterMember& member) {
      return member.is_leader() || (member.is_linked() && member.match_index() >= wanted);
    });
  };
  if (!poll_until(is_done, catch_up_patience)) throw std::runtime_error("a node does not catch up");
}

std::filesystem::path bench_cluster::next_file(const std::string& kind) {
  return folder_.path() / (kind + "-" + std::to_string(files_++));
}

void bench_cluster::start_workers(unsigned count, unsigned slots, unsigned processes) {
  const auto connection = connect();
  const auto active_count = [&] {
    const auto status = connection->status();
    return status ? status->workers_active() : 0;
  };
  const auto others = active_count();
  if (processes == 0 || processes > count) processes = count;
  const auto log = folder_.path() / "worker.log";
  for (unsigned index = 0; index < processes; ++index) {
    const unsigned share = count / processes + (index < count % processes ? 1 : 0);
    worker_files_.push_back(next_file("dispatch"));
    workers_.push_back(std::make_unique<child>(
        std::vector<std::string>{(program_folder() / "hive-bench").string(), "worker-process", "--endpoint",
                                 endpoints(), "--name", "bench-" + std::to_string(index), "--count",
                                 std::to_string(share), "--slots", std::to_string(slots), "--latencies",
                                 worker_files_.back().string()},
        log.string()));
  }
  if (!poll_until([&] { return active_count() >= others + count; }, start_patience))
    throw std::runtime_error("the workers did not start: " + text_of(log));
}

void bench_cluster::stop_workers() {
  for (const auto& one : workers_) one->terminate();
  workers_.clear();
  for (const auto& file : worker_files_) {
    // Missing if the process had to be killed.
    if (!std::filesystem::exists(file)) throw std::runtime_error("a worker process did not end well");
    dispatch_latencies_.merge(latency_histogram::load(file));
  }
  worker_files_.clear();
}

latency_histogram bench_cluster::take_dispatch_latencies() { return std::exchange(dispatch_latencies_, {}); }

void bench_cluster::start_subscribers(unsigned count, unsigned processes, const std::string& name) {
  const auto connection = connect();
  const auto subscriber_count = [&] {
    const auto status = connection->status();
    return status ? status->subscribers() : 0;
  };
  const auto others = subscriber_count();
  counter_file_ = next_file("counters");
  std::ofstream{counter_file_} << std::string(4096, '\0');
  processes = std::min(processes, count);
  const auto log = folder_.path() / "subscriber.log";
  for (unsigned index = 0; index < processes; ++index) {
    const unsigned share = count / processes + (index < count % processes ? 1 : 0);
    subscriber_files_.push_back(next_file("deliveries"));
    subscribers_.push_back(std::make_unique<child>(
        std::vector<std::string>{(program_folder() / "hive-bench").string(), "subscriber-process", "--endpoint",
                                 endpoints(), "--name", name, "--count", std::to_string(share), "--latencies",
                                 subscriber_files_.back().string(), "--counters", counter_file_.string(), "--index",
                                 std::to_string(index)},
        log.string()));
  }
  if (!poll_until([&] { return subscriber_count() >= others + count; }, start_patience))
    throw std::runtime_error("the subscribers did not start: " + text_of(log));
}

std::uint64_t bench_cluster::delivered_count() const {
  std::ifstream file{counter_file_, std::ios::binary};
  std::vector<std::uint64_t> counters(subscriber_files_.size());
  file.read(reinterpret_cast<char*>(counters.data()),
            static_cast<std::streamsize>(counters.size() * sizeof(std::uint64_t)));
  std::uint64_t sum = 0;
  for (const auto one : counters) sum += one;
  return sum;
}

latency_histogram bench_cluster::stop_subscribers() {
  for (const auto& one : subscribers_) one->terminate();
  subscribers_.clear();
  latency_histogram all;
  for (const auto& file : subscriber_files_) {
    if (!std::filesystem::exists(file)) throw std::runtime_error("a subscriber process did not end well");
    all.merge(latency_histogram::load(file));
  }
  subscriber_files_.clear();
  return all;
}

std::uint64_t bench_cluster::server_memory_bytes() const {
  return std::accumulate(nodes_.begin(), nodes_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const bench_node& one) { return sum + one.memory_bytes(); });
}

double bench_cluster::server_cpu_seconds() const {
  return std::accumulate(nodes_.begin(), nodes_.end(), 0.0,
                         [](double sum, const bench_node& one) { return sum + one.cpu_seconds(); });
}

std::uint64_t bench_cluster::disk_bytes() const {
  return std::accumulate(nodes_.begin(), nodes_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const bench_node& one) { return sum + one.disk_bytes(); });
}

double bench_cluster::workers_cpu_seconds() const {
  return std::accumulate(workers_.begin(), workers_.end(), 0.0,
                         [](double sum, const std::unique_ptr<child>& one) { return sum + one->cpu_seconds(); });
}

}  // namespace hive::bench
