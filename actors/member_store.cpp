#include "actors/member_store.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "core/keys.hpp"
#include "core/queries.hpp"
#include "replication/driver.hpp"
#include "replication/lineage.hpp"
#include "replication/table_log_store.hpp"

namespace hive {
namespace {

using core::table;

/// Row of log_meta: node id | name of the cluster.
constexpr std::string_view member_row = "member";
constexpr std::uint64_t staged_map_bytes_max = 1ULL << 40;

std::string identity_of(const config::node_config& settings) {
  return std::string{core::key{}.u64(settings.cluster.node_id).view()} + settings.cluster.name;
}

error belongs_to(std::string_view identity) {
  const std::uint64_t id = identity.size() < 8 ? 0 : core::read_u64(identity, 0);
  const std::string name{identity.size() < 8 ? "" : identity.substr(8)};
  return {errc::failed_precondition,
          "the data folder belongs to node " + std::to_string(id) + " of the cluster \"" + name +
              "\"; set cluster.name and cluster.node_id so, or use another folder",
          "node.data_dir"};
}

bool is_founded(core::table_transaction& tables) {
  const auto found = replication::table_log_store{tables}.load();
  return found.snapshot.index != 0 || found.last != 0;
}

/// Nothing was ever applied to it.
bool is_fresh(const core::table_reader& tables) {
  return tables.size(table::meta) == 0 && tables.size(table::counter) == 0;
}

/// Runs `change(tables)` in one transaction.
template <class Change>
result<void> in_transaction(persistence::store& store, Change change) {
  try {
    const auto transaction = store.write();
    if (auto done = change(*transaction); !done) return done;
    return transaction->commit();
  } catch (const core::table_error& problem) {
    return error{problem.code(), problem.what(), {}};
  }
}

/// The same on every founder, who know of each other but have not spoken yet (FNV-1a).
std::uint64_t lineage_of(const config::node_config& settings, const replication::configuration& founders) {
  std::string text = settings.cluster.name;
  std::vector<std::string> members;
  for (const auto& one : founders.members) members.push_back("\n" + std::to_string(one.id.value) + "=" + one.address);
  std::sort(members.begin(), members.end());
  for (const auto& one : members) text += one;
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char one : text) hash = (hash ^ static_cast<unsigned char>(one)) * 0x100000001b3ULL;
  return hash | 1U;
}

result<replication::configuration> founders_of(const config::node_config& settings) {
  replication::configuration members;
  for (const auto& text : settings.cluster.peers) {
    const auto one = config::parse_peer(text, "cluster.peers");
    if (!one) return one.failure();
    members.members.push_back(
        {replication::node_id{one->node_id}, config::to_string(one->address), replication::member_role::voter});
  }
  return members;
}

}  // namespace

std::string own_endpoint(const config::node_config& settings) {
  return settings.cluster.endpoint.empty() ? settings.node.listen : settings.cluster.endpoint;
}

result<void> check_standalone(persistence::store& store) {
  const auto snapshot = store.read();
  const auto identity = snapshot->get(table::log_meta, member_row);
  if (!identity) return {};
  return belongs_to(*identity);
}

result<void> prepare_member(persistence::store& store, const config::node_config& settings) {
  const auto address = config::parse_endpoint(own_endpoint(settings), "cluster.endpoint");
  if (!address) return address.failure();
  if (address->port == 0)
    return error{errc::invalid_argument,
                 "the other nodes need a port that stays: set cluster.endpoint, or another port than 0 in node.listen",
                 "cluster.endpoint"};
  const auto founders = founders_of(settings);
  if (!founders) return founders.failure();
  return in_transaction(store, [&](core::table_transaction& tables) -> result<void> {
    const std::string identity = identity_of(settings);
    if (const auto stored = tables.get(table::log_meta, member_row); stored && *stored != identity)
      return belongs_to(*stored);
    const bool is_new = !is_founded(tables) && !founders->members.empty();
    if (is_new && !is_fresh(tables))
      return error{errc::failed_precondition,
                   "the data folder has the work of a node that stood alone, and the other founders do not: leave "
                   "cluster.peers empty here, run hivectl cluster init, then add the other nodes, with empty folders",
                   "cluster.peers"};
    tables.put(table::log_meta, member_row, identity);
    if (!is_new) return {};
    replication::put_lineage(tables, lineage_of(settings, *founders));
    replication::table_log_store log{tables};
    return replication::found_cluster(log, *founders);
  });
}

result<void> found_alone(persistence::store& store, const config::node_config& settings) {
  return in_transaction(store, [&](core::table_transaction& tables) {
    std::random_device device;
    replication::put_lineage(tables, (static_cast<std::uint64_t>(device()) << 32U | device()) | 1U);
    replication::table_log_store log{tables};
    return replication::found_cluster(
        log,
        {{{replication::node_id{settings.cluster.node_id}, own_endpoint(settings), replication::member_role::voter}}});
  });
}

result<store_standing> standing_of(persistence::store& store) {
  store_standing found;
  auto read = in_transaction(store, [&](core::table_transaction& tables) -> result<void> {
    if (!is_founded(tables)) {
      found.has_own_work = !is_fresh(tables);
      return {};
    }
    found.lineage = replication::lineage_of(tables);
    return {};
  });
  if (!read) return read.failure();
  return found;
}

result<void> install_copy(persistence::store& store, const std::filesystem::path& folder,
                          const replication::snapshot_swap& swap, const config::node_config& settings) {
  {
    persistence::store_options options;
    options.folder = folder;
    options.map_bytes_max = std::max(settings.storage.map_bytes_max, staged_map_bytes_max);
    const auto staged = persistence::store::open(options);
    if (!staged) return staged.failure();
    auto prepared = in_transaction(**staged, [&](core::table_transaction& tables) -> result<void> {
      replication::table_log_store log{tables};
      if (auto done = replication::prepare_installed(log, swap); !done) return done;
      tables.put(table::log_meta, member_row, identity_of(settings));
      return {};
    });
    if (!prepared) return prepared;
  }
  return store.replace(folder);
}

}  // namespace hive
