#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/member_store.hpp"
#include "actors/peer_network.hpp"
#include "actors/replicator.hpp"
#include "core/rules_version.hpp"
#include "tests/actors/failing_store.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::test {

class cluster_fixture;

/// The links of one node: says hello and sends without sockets; the fixture decides what passes.
class local_network final : public peer_network {
 public:
  local_network(cluster_fixture& cluster, std::uint64_t own) : cluster_(cluster), own_(own) {}
  void reach(std::vector<peer> peers) override;
  void send(std::uint64_t to, v1::PeerMessage message) override;
  /// As when the connection is lost and made anew.
  void reconnect(std::uint64_t to);
  void hello(std::uint64_t to);
  void lose(std::uint64_t to);

 private:
  cluster_fixture& cluster_;
  std::uint64_t own_;
  std::map<std::uint64_t, std::uint64_t> wanted_;  // node -> our lineage, as it is told
};

/// Members of a cluster in one actor system with virtual time, each over a store on disk.
class cluster_fixture : public system_fixture {
 public:
  struct member {
    std::unique_ptr<temporary_folder> folder = std::make_unique<temporary_folder>();
    std::unique_ptr<persistence::store> store;
    std::unique_ptr<failing_store> used_store;  // the same, as its actors see it
    service_context_ptr context;
    std::shared_ptr<local_network> network;
    std::unique_ptr<node_runtime> runtime;

    [[nodiscard]] bool is_up() const { return runtime != nullptr; }
  };

  ~cluster_fixture() {
    for (const auto& session : sessions) caf::anon_send_exit(session, caf::exit_reason::kill);
    for (auto& [id, node] : members) stop(id);
    settle();
  }

  /// Founding members 1..count.
  void found(std::uint64_t count) {
    std::vector<std::string> peers;
    for (std::uint64_t id = 1; id <= count; ++id) peers.push_back(std::to_string(id) + "=" + endpoint(id));
    for (std::uint64_t id = 1; id <= count; ++id) {
      prepare(id).context->config.cluster.peers = peers;
      start(id);
    }
  }
  static std::string endpoint(std::uint64_t id) { return "10.0.0." + std::to_string(id) + ":7117"; }

  member& prepare(std::uint64_t id) {
    auto& node = members[id];
    node.context = std::make_shared<service_context>();
    auto& context = *node.context;
    context.version = "test";
    context.config.node.data_dir = node.folder->path().string();
    context.config.cluster.name = "test";
    context.config.cluster.node_id = id;
    context.config.cluster.endpoint = endpoint(id);
    context.config.workers.grace_ms = 2000;
    context.now_unix_ms = [this] { return now_unix_ms(); };
    return node;
  }
  void start(std::uint64_t id) {
    auto& node = members.at(id);
    auto& context = *node.context;
    auto opened = persistence::store::open_replaceable(options_of(id));
    REQUIRE(opened);
    node.store = std::move(*opened);
    node.used_store = std::make_unique<failing_store>(*node.store);
    context.store = node.used_store.get();
    context.incarnation = ++incarnations;
    context.is_stopping = false;
    context.work_admission = std::make_shared<admission>(10'000, 64 << 20);
    context.sessions = std::make_shared<session_table>();
    context.cluster = std::make_shared<cluster_view>();
    node.network = std::make_shared<local_network>(*this, id);
    context.peers = node.network;
    auto started = node_runtime::start(system, node.context, false);
    if (!started) UNSCOPED_INFO(to_string(started.failure()));
    REQUIRE(started);
    node.runtime = std::move(*started);
    settle();
    for (auto& [other, peer] : members) {
      if (other != id && peer.is_up()) peer.network->reconnect(id);
    }
    settle();
  }
  persistence::store_options options_of(std::uint64_t id) {
    persistence::store_options options;
    options.folder = members[id].folder->path();
    options.map_bytes_max = 64ULL << 20;
    return options;
  }
  /// The node's folder gets `count` tasks of a time when it stood alone. It is not up afterwards.
  void work_alone(std::uint64_t id, int count) {
    auto store = persistence::store::open(options_of(id));
    REQUIRE(store);
    const auto context = std::make_shared<service_context>();
    context->store = store->get();
    context->now_unix_ms = [this] { return now_unix_ms(); };
    context->incarnation = ++incarnations;
    context->work_admission = std::make_shared<admission>(10'000, 64 << 20);
    context->sessions = std::make_shared<session_table>();
    auto alone = node_runtime::start(system, context, false);
    REQUIRE(alone);
    v1::CreateTasksRequest request;
    for (int i = 0; i < count; ++i) request.add_specs()->set_type("noop");
    REQUIRE(call<v1::CreateTasksResponse>(caf::actor_cast<task_manager_actor>((*alone)->directory().task_manager),
                                          request));
    (*alone)->end_actors();
    settle();
  }
  /// As kill -9: what is in the store stays, all else is gone.
  void stop(std::uint64_t id) {
    auto& node = members.at(id);
    if (!node.is_up()) return;
    node.runtime->end_actors();
    settle();
    node.runtime.reset();
    node.context->peers.reset();
    node.network.reset();
    node.used_store.reset();
    node.store.reset();
    for (auto& [other, peer] : members) {
      if (other != id && peer.is_up()) peer.network->lose(id);
    }
    settle();
  }
  /// No message passes between `left` and `right`, either way.
  void cut(std::uint64_t left, std::uint64_t right) { cuts.insert({std::min(left, right), std::max(left, right)}); }
  void heal() { cuts.clear(); }
  [[nodiscard]] bool passes(std::uint64_t left, std::uint64_t right) const {
    return !cuts.contains({std::min(left, right), std::max(left, right)});
  }

  [[nodiscard]] std::set<std::uint64_t> leaders() const {
    std::set<std::uint64_t> found;
    for (const auto& [id, node] : members) {
      if (node.is_up() && node.context->cluster->leadership().is_leader()) found.insert(id);
    }
    return found;
  }
  /// Waits until one node leads and says so; in virtual time.
  std::uint64_t await_leader() {
    for (int i = 0; i < 1000; ++i) {
      const auto found = leaders();
      if (found.size() == 1) return *found.begin();
      advance(std::chrono::milliseconds(10));
    }
    FAIL("no leader in 10 s");
    return 0;
  }
  v1::ClusterStatusResponse status(std::uint64_t id) { return members.at(id).context->cluster->status(); }

  [[nodiscard]] task_manager_actor tasks(std::uint64_t id) const {
    return caf::actor_cast<task_manager_actor>(members.at(id).runtime->directory().task_manager);
  }
  [[nodiscard]] cluster_manager_actor manager(std::uint64_t id) const {
    return caf::actor_cast<cluster_manager_actor>(members.at(id).runtime->directory().cluster_manager);
  }
  /// Asks and lets time pass until there is an answer.
  template <class Response, class Handle, class Request>
  result<Response> call(const Handle& receiver, Request request,
                        std::chrono::milliseconds patience = std::chrono::seconds(10)) {
    auto answer = std::make_shared<std::optional<result<Response>>>();
    auto asker = system.spawn([answer, receiver, request](caf::event_based_actor* self) {
      self->request(receiver, caf::infinite, request)
          .then([answer](Response& response) { answer->emplace(std::move(response)); },
                [answer](const caf::error& failure) { answer->emplace(to_error(failure)); });
    });
    settle();
    for (auto passed = std::chrono::milliseconds(0); passed < patience && !*answer;
         passed += std::chrono::milliseconds(10))
      advance(std::chrono::milliseconds(10));
    if (!*answer) {
      caf::anon_send_exit(asker, caf::exit_reason::kill);
      return error{errc::deadline_exceeded, "no answer", {}};
    }
    return std::move(**answer);
  }
  result<v1::CreateTasksResponse> create(std::uint64_t id, int count, const std::string& key = {}) {
    v1::CreateTasksRequest request;
    for (int i = 0; i < count; ++i) {
      request.add_specs()->set_type("noop");
      request.mutable_specs(i)->set_title("task " + std::to_string(i));
      if (!key.empty()) request.mutable_specs(i)->set_idempotency_key(key + std::to_string(i));
    }
    return call<v1::CreateTasksResponse>(tasks(id), request);
  }
  std::optional<v1::Task> get(std::uint64_t node, std::uint64_t task) {
    v1::GetTasksRequest request;
    request.add_task_ids(task);
    auto response = call<v1::GetTasksResponse>(tasks(node), request);
    if (!response || !is_ok(response->items(0).status())) return std::nullopt;
    return response->items(0).task();
  }
  result<v1::ChangeClusterResponse> change(std::uint64_t node, const v1::ChangeClusterRequest& request) {
    return call<v1::ChangeClusterResponse>(manager(node), request, std::chrono::seconds(90));
  }
  /// The tables of state, as bytes, are the same on all nodes that are up, and consistent.
  void check_same_state() {
    std::map<std::string, std::string> first;
    std::uint64_t first_id = 0;
    for (const auto& [id, node] : members) {
      if (!node.is_up()) continue;
      const auto snapshot = node.store->read();
      const auto found = core::check(*snapshot);
      for (const auto& violation : found.violations()) UNSCOPED_INFO(violation);
      CHECK(found.violations_size() == 0);
      std::map<std::string, std::string> rows;
      for (std::size_t t = 0; t < core::table_count; ++t) {
        const auto where = static_cast<core::table>(t);
        if (where == core::table::log || where == core::table::log_meta) continue;
        snapshot->scan(where, "", [&](std::string_view key, std::string_view value) {
          rows[std::string{core::table_names[t]} + "/" + std::string{key}] = std::string{value};
          return true;
        });
      }
      if (first_id == 0) {
        first = std::move(rows);
        first_id = id;
        continue;
      }
      INFO("nodes " << first_id << " and " << id << ": " << first.size() << " and " << rows.size() << " rows");
      CHECK((first == rows));
    }
  }

  std::map<std::uint64_t, member> members;
  std::set<std::pair<std::uint64_t, std::uint64_t>> cuts;
  std::uint64_t incarnations = 0;
  std::vector<caf::actor> sessions;
};

inline void local_network::reach(std::vector<peer> peers) {
  std::map<std::uint64_t, std::uint64_t> now;
  for (const auto& one : peers) now[one.node_id] = one.lineage;
  const auto before = std::exchange(wanted_, now);
  for (const auto& [id, lineage] : now) {
    const auto known = before.find(id);
    if (known == before.end() || known->second != lineage) hello(id);
  }
}

inline void local_network::hello(std::uint64_t to) {
  const auto target = cluster_.members.find(to);
  const auto& own = cluster_.members.at(own_);
  if (target == cluster_.members.end() || !target->second.is_up() || !own.is_up() || !cluster_.passes(own_, to)) return;
  v1::PeerHelloRequest request;
  request.set_cluster("test");
  request.set_node_id(own_);
  request.set_endpoint(cluster_fixture::endpoint(own_));
  request.set_receiver_id(to);
  request.set_rules_version(core::rules_version);
  request.set_lineage(wanted_[to]);
  cluster_.system.spawn([receiver = target->second.runtime->member(), me = own.runtime->member(), to,
                         request](caf::event_based_actor* self) {
    self->request(receiver, caf::infinite, request)
        .then(
            [self, me, to](const v1::PeerHelloResponse& response, const caf::strong_actor_ptr&) {
              self->send(me, peer_up{to, response.session()});
            },
            [](const caf::error&) {});
  });
}

inline void local_network::reconnect(std::uint64_t to) {
  if (wanted_.contains(to)) hello(to);
}

inline void local_network::lose(std::uint64_t to) {
  const auto& own = cluster_.members.at(own_);
  if (own.is_up()) caf::anon_send(own.runtime->member(), peer_down{to});
}

inline void local_network::send(std::uint64_t to, v1::PeerMessage message) {
  const auto target = cluster_.members.find(to);
  if (target == cluster_.members.end() || !target->second.is_up() || !cluster_.passes(own_, to)) return;
  caf::anon_send(target->second.runtime->member(), std::move(message));
}

}  // namespace hive::test
