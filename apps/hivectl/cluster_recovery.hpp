#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "replication/log_store.hpp"

namespace hive::hivectl {

/// What a stopped node's store knows of its cluster.
struct stored_cluster {
  replication::stored_state log;
  replication::configuration members;  // the last one in the log, committed or not
};

/// Reads it, without a change. not_found: no store there; unavailable: hived runs; failed_precondition: this node was
/// never a member of a cluster; data_loss.
result<stored_cluster> read_stored_cluster(const std::filesystem::path& data_dir);

/// Makes node `self` with `endpoint` the only member by force, in one durable transaction. As read_stored_cluster, and
/// invalid_argument if `self` is not among the members that the store knows, or `endpoint` is none.
result<void> recover_cluster(const std::filesystem::path& data_dir, std::uint64_t self, const std::string& endpoint);

}  // namespace hive::hivectl
