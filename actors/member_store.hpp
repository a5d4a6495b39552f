#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "persistence/store.hpp"
#include "replication/effects.hpp"

// What a cluster needs of a node's store beside the log itself: whose it is, how it is founded, and how it is replaced.
namespace hive {

/// Where other nodes and clients reach this node.
std::string own_endpoint(const config::node_config& settings);

/// What a store says of its past.
struct store_standing {
  std::uint64_t lineage = 0;  // of its log, see replication/lineage.hpp; 0: none
  /// It is no member's yet, but has tasks, plans or workers.
  bool has_own_work = false;
};
result<store_standing> standing_of(persistence::store& store);

/// For a node that stands alone. failed_precondition: the store is a member's, and changes of its own would make it
/// differ from the others for good.
result<void> check_standalone(persistence::store& store);

/// For a member, before its driver starts: checks that the store is this member's, and founds the cluster in an empty
/// one if the settings name its founders. failed_precondition: it is another member's, or it has tasks that the other
/// founders do not have.
result<void> prepare_member(persistence::store& store, const config::node_config& settings);

/// Makes this node, with the state that it has, the only member of a new cluster. failed_precondition: it is a member
/// of one already.
result<void> found_alone(persistence::store& store, const config::node_config& settings);

/// Puts a copy of another node's store, complete in `folder`, in the place of this one.
result<void> install_copy(persistence::store& store, const std::filesystem::path& folder,
                          const replication::snapshot_swap& swap, const config::node_config& settings);

}  // namespace hive
