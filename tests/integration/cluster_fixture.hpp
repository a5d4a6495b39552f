#pragma once

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "tests/integration/node_fixture.hpp"
#include "tests/integration/process.hpp"

namespace hive::test {

/// Where the nodes run if not all on loopback, and how to get to them.
struct cluster_network {
  std::vector<std::string> hosts;                  // of each node; none: all on loopback
  std::vector<std::vector<std::string>> prefixes;  // of each hived's command line: what puts it there
  std::vector<std::string> settings;               // of every hived: its certificate
  config::client_config client;                    // for clients: theirs
  std::vector<std::string> environment;            // for programs: theirs
};

/// Nodes of one cluster as processes on this machine, each with a folder and a port of its own that it keeps. They can
/// be killed, stopped, restarted and emptied. Nodes are named by their index here; their node_id is another number.
class cluster {
 public:
  /// Starts `size` founding members; with 0 none, for clusters that grow. Throws with their logs if they do not come
  /// up. `settings`: further arguments of every hived.
  /// `prepare(i, data folder)` runs before node `i` starts for the first time, also for nodes that are added.
  using preparation = std::function<void(std::size_t, const std::filesystem::path&)>;
  explicit cluster(std::size_t size, std::vector<std::string> settings = {}, const preparation& prepare = {},
                   cluster_network network = {});

  /// A further node with an empty folder that waits for `cluster add`; answers its index.
  std::size_t add_waiting(std::uint64_t node_id);
  /// The same on a host of its own, for a cluster whose nodes have such.
  std::size_t add_waiting_at(std::uint64_t node_id, const std::string& host, const std::vector<std::string>& prefix);
  /// A node that stands alone, for a cluster that begins with it.
  std::size_t add_standalone(std::uint64_t node_id);

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] std::uint64_t node_id(std::size_t i) const { return members_.at(i).node_id; }
  [[nodiscard]] std::string endpoint(std::size_t i) const;
  /// Of all, for clients: "a:1,b:2".
  [[nodiscard]] std::string endpoints() const;
  /// Of the pages /metrics, /live, /ready and /leader; another one after each start. 0 if the nodes have hosts of their
  /// own.
  [[nodiscard]] std::uint16_t metrics_port(std::size_t i) const;
  [[nodiscard]] std::filesystem::path data_folder(std::size_t i) const;
  [[nodiscard]] process& hived(std::size_t i) { return *members_.at(i).hived; }

  /// Starts a node that does not run; it keeps its port, its id and its data.
  void start(std::size_t i);
  /// As a member that waits to be added or founded by `cluster init`, from now on.
  void make_waiting(std::size_t i) { members_.at(i).how = mode::waiting; }
  /// It is another program with further settings from its next start on.
  void replace_program(std::size_t i, const std::string& path, std::vector<std::string> settings) {
    members_.at(i).program = path;
    members_.at(i).settings = std::move(settings);
  }
  void kill(std::size_t i) { hived(i).kill(); }
  int stop(std::size_t i, std::chrono::milliseconds patience = std::chrono::seconds{10});
  void pause(std::size_t i) { hived(i).signal(SIGSTOP); }
  void resume(std::size_t i) { hived(i).signal(SIGCONT); }
  /// Removes all in its data folder; it must not run.
  void wipe(std::size_t i);

  /// What node `i` says of the cluster; none if it does not answer within a second.
  [[nodiscard]] std::optional<v1::ClusterStatusResponse> status(std::size_t i);
  /// The index of the node that leads, as it says itself and most members agree. Throws with all logs if there is none.
  std::size_t wait_leader(std::chrono::milliseconds patience = std::chrono::seconds{20});
  /// Until the nodes have applied the same, which is at least what the leader has committed now.
  void wait_caught_up(const std::vector<std::size_t>& nodes,
                      std::chrono::milliseconds patience = std::chrono::seconds{30});
  [[nodiscard]] std::vector<std::size_t> running();

  /// A client that follows the leader.
  [[nodiscard]] std::shared_ptr<client> connect() const;
  /// A client that takes any node, and another one when it is lost.
  [[nodiscard]] std::shared_ptr<client> connect_to_any() const;
  /// A client of this node; for a moment, as it would move if the node were lost.
  [[nodiscard]] std::shared_ptr<client> connect_to(std::size_t i) const;
  [[nodiscard]] process start_worker(const std::string& name, unsigned slots) const;
  /// hivectl with all endpoints.
  [[nodiscard]] finished ctl(std::vector<std::string> arguments) const;
  /// hivectl at one node.
  [[nodiscard]] finished ctl_at(std::size_t i, std::vector<std::string> arguments) const;
  /// The ends of the nodes' logs. The whole ones are copied to the folder HIVE_TEST_LOGS if that is set.
  [[nodiscard]] std::string logs();
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  enum class mode { founder, waiting, standalone };
  struct member {
    member(std::uint64_t id, mode kind) : node_id(id), how(kind) {}
    std::uint64_t node_id;
    mode how;
    std::uint16_t port = 0;
    std::optional<process> hived;
    std::string program = test::program("hived");
    std::vector<std::string> settings;
  };
  std::size_t add(std::uint64_t node_id, mode how);
  /// False if a node could not have its port.
  bool start_founders();
  void spawn(std::size_t i);
  [[nodiscard]] bool has_come_up(std::size_t i);
  [[nodiscard]] std::vector<std::string> arguments_of(std::size_t i) const;
  [[nodiscard]] config::client_config settings_for(const std::string& endpoints) const;
  [[nodiscard]] config::client_config settings_at(std::size_t i) const;
  [[nodiscard]] std::vector<std::string> environment_for(const std::string& endpoints) const;

  temporary_folder folder_;
  std::vector<std::string> settings_;
  preparation prepare_;
  cluster_network network_;
  std::size_t founders_ = 0;
  std::vector<member> members_;
};

}  // namespace hive::test
