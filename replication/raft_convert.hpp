#pragma once

#include "replication/raft_library.hpp"
#include "replication/types.hpp"

namespace hive::replication {

/// The library's own types from ours and back. What libraft takes over is allocated by it; running out of memory in
/// there throws std::bad_alloc.

/// Points into `entry`, which must outlive it. `batch` is what the library frees with it, or null.
raft_entry to_raft(const log_entry& entry, void* batch);
/// The caller, or whom it is given to, closes it.
raft_configuration to_raft(const configuration& members);
/// As above, for its configuration.
raft_snapshot_metadata to_raft(const state_point& point);
configuration from_raft(const raft_configuration& members);

}  // namespace hive::replication
