#include <array>
#include <stdexcept>

#include "apps/hive-bench/load.hpp"
#include "apps/hive-bench/steady_writers.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto transfer_patience = 30s;
constexpr auto task_type = "read";

}  // namespace

// The leader dies, an ordinary client's next create is acknowledged, the dead one comes back and catches up; again.
figures run_failover(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  const auto connection = cluster.connect();
  latency_histogram failovers;
  latency_histogram returns;
  steady_writers writers{cluster, options};
  for (unsigned done = 0; done < options.tries; ++done) {
    tell(done, options.tries);
    writers.write();  // there is a leader, and this client knows it
    const auto killed = cluster.leader_of(*connection);
    const auto killed_at = monotonic_ns();
    cluster.node(killed).kill();
    // It is gone, so that only another one can acknowledge what is created from here on.
    writers.write();
    failovers.add(monotonic_ns() - killed_at);
    const auto started_at = monotonic_ns();
    cluster.node(killed).start();
    cluster.wait_caught_up(*connection);
    returns.add(monotonic_ns() - started_at);
  }
  figures taken;
  taken["failover_acknowledged_tasks_count"] = static_cast<double>(writers.stop_and_check());
  taken["failover_tries_count"] = static_cast<double>(failovers.count());
  add_durations(taken, "failover", failovers);
  add_durations(taken, "failover_return", returns);
  return taken;
}

// What `hivectl cluster transfer` asks, and the next create.
figures run_transfer(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  const auto connection = cluster.connect();
  latency_histogram requests;
  latency_histogram writes;
  steady_writers writers{cluster, options};
  v1::ChangeClusterRequest request;
  request.mutable_transfer();  // to the voter with the most of the log
  for (unsigned done = 0; done < options.tries; ++done) {
    tell(done, options.tries);
    writers.write();
    cluster.wait_caught_up(*connection);
    const auto before = cluster.leader_of(*connection);
    // A connection of its own that stays at this node, as a program of an operator has: the answer would be lost on
    // one that follows the leader for others.
    const auto operating = cluster.connect_to(before);
    const auto start = monotonic_ns();
    take(operating->change_cluster(request, transfer_patience));
    requests.add(monotonic_ns() - start);
    writers.write();
    writes.add(monotonic_ns() - start);
    if (cluster.leader_of(*connection) == before) throw std::runtime_error("the leader is still the same");
  }
  figures taken;
  taken["transfer_acknowledged_tasks_count"] = static_cast<double>(writers.stop_and_check());
  add_latencies(taken, "transfer_request_latency", requests);
  add_latencies(taken, "transfer_write_latency", writes);
  return taken;
}

// One client reads one task in four ways in turn, so that all of them see the same minute of the machine.
figures run_read_consistency(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  const auto leading = cluster.connect();
  const auto id = take(leading->create_task(task_of(task_type, {}, options.payload_bytes))).id;
  const auto leader = cluster.leader_of(*leading);
  const auto follower = (leader + 1) % cluster.size();
  struct way {
    std::string name;
    std::shared_ptr<client> connection;
    latency_histogram samples = {};
  };
  std::array<way, 4> ways{{{"read_leader_local", cluster.connect_to(leader, "local")},
                           {"read_leader_linearizable", cluster.connect_to(leader, "linearizable")},
                           {"read_follower_local", cluster.connect_to(follower, "local")},
                           {"read_follower_linearizable", cluster.connect_to(follower, "linearizable")}}};
  take(ways[3].connection->get_task(id));  // from now on the follower has it
  for (std::uint64_t round = 0; round < options.warm_up + options.count; ++round) {
    if (round % 100 == 0) tell(round, options.warm_up + options.count);
    for (std::size_t turn = 0; turn < ways.size(); ++turn) {
      auto& one = ways[(round + turn) % ways.size()];  // none is always the first
      const auto start = monotonic_ns();
      take(one.connection->get_task(id));
      if (round >= options.warm_up) one.samples.add(monotonic_ns() - start);
    }
  }
  for (std::size_t index = 0; index < ways.size(); ++index) {
    const auto role = take(ways[index].connection->cluster_status()).role();
    if (role != (index < 2 ? "leader" : "follower")) throw std::runtime_error("the leader changed meanwhile");
  }
  figures taken;
  for (const auto& one : ways) add_latencies(taken, one.name + "_latency", one.samples);
  for (const std::string place : {"read_leader", "read_follower"}) {
    for (const std::string quantile : {"_p50_us", "_p99_us"}) {
      taken[place + "_linearizable_extra" + quantile] =
          taken[place + "_linearizable_latency" + quantile] - taken[place + "_local_latency" + quantile];
    }
  }
  return taken;
}

}  // namespace hive::bench
