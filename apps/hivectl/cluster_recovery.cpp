#include "apps/hivectl/cluster_recovery.hpp"

#include <algorithm>
#include <optional>
#include <random>

#include "config/config.hpp"
#include "persistence/store.hpp"
#include "replication/configuration.hpp"
#include "replication/lineage.hpp"
#include "replication/table_log_store.hpp"

namespace hive::hivectl {
namespace {

using persistence::store;

/// store::open would make a new store in a folder that was misspelt.
result<std::unique_ptr<store>> open_stopped(const std::filesystem::path& data_dir) {
  std::error_code failure;
  const auto file = data_dir / "data.mdb";
  const auto bytes = std::filesystem::file_size(file, failure);
  if (failure) return error{errc::not_found, "there is no node's data at " + data_dir.string(), "--data-dir"};
  persistence::store_options options;
  options.folder = data_dir;
  constexpr std::uint64_t room = 1ULL << 30U;
  options.map_bytes_max = std::max<std::uint64_t>(options.map_bytes_max, bytes + room);
  return store::open(options);
}

result<stored_cluster> read_cluster(const replication::log_store& log) {
  stored_cluster found{log.load(), {}};
  if (found.log.snapshot.index == 0 && found.log.last == 0)
    return error{errc::failed_precondition, "this node was never a member of a cluster", "--data-dir"};
  found.members = found.log.applied.members;
  std::optional<error> unreadable;
  const auto from = std::max(found.log.first, found.log.applied.index + 1);
  if (from <= found.log.last) {
    log.scan(from, found.log.last, [&](replication::log_index, const replication::entry_ptr& entry) {
      if (entry->type != replication::entry_type::change) return;
      auto members = replication::decode_configuration(entry->payload);
      if (members)
        found.members = std::move(*members);
      else
        unreadable = members.failure();
    });
  }
  if (unreadable) return error{errc::data_loss, "a change of the members is unreadable: " + unreadable->message, {}};
  return found;
}

error to_error(const core::table_error& problem) { return {problem.code(), problem.what(), {}}; }

}  // namespace

result<stored_cluster> read_stored_cluster(const std::filesystem::path& data_dir) {
  const auto opened = open_stopped(data_dir);
  if (!opened) return opened.failure();
  try {
    const auto transaction = (*opened)->write();  // ends without a commit
    return read_cluster(replication::table_log_store{*transaction});
  } catch (const core::table_error& problem) {
    return to_error(problem);
  }
}

result<void> recover_cluster(const std::filesystem::path& data_dir, std::uint64_t self, const std::string& endpoint) {
  const auto address = config::parse_endpoint(endpoint, "--endpoint");
  if (!address) return address.failure();
  if (address->port == 0) return error{errc::invalid_argument, "others must find this node at a port", "--endpoint"};
  const auto opened = open_stopped(data_dir);
  if (!opened) return opened.failure();
  try {
    const auto transaction = (*opened)->write();
    replication::table_log_store log{*transaction};
    const auto found = read_cluster(log);
    if (!found) return found.failure();
    const replication::node_id id{self};
    if (found->members.find(id) == nullptr) {
      std::string known;
      for (const auto& one : found->members.members)
        known += (known.empty() ? "" : ", ") + std::to_string(one.id.value) + " at " + one.address;
      return error{errc::invalid_argument, "this data knows no member " + std::to_string(self) + ", but " + known,
                   "--node-id"};
    }
    const replication::configuration alone{{{id, endpoint, replication::member_role::voter}}};
    if (auto done = replication::force_configuration(log, id, alone); !done) return done;
    // What the lost nodes have had since then must not come back.
    std::random_device device;
    replication::put_lineage(*transaction, (static_cast<std::uint64_t>(device()) << 32U | device()) | 1U);
    return transaction->commit();
  } catch (const core::table_error& problem) {
    return to_error(problem);
  }
}

}  // namespace hive::hivectl
