#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.hpp"

namespace hive::hivectl {

struct restored_store {
  std::uint64_t bytes = 0;
  std::uint64_t tasks = 0;
  std::uint64_t plans = 0;
  std::uint64_t log_entries = 0;  // of the cluster that it was a member of; taken out
  bool was_member = false;
};

/// Makes a data folder for a node that stands alone of a backup: the backup is copied into a folder beside, its tables
/// are checked there, it is freed of what made it a member of a cluster (its log, its vote, its identity), and only
/// then renamed to FOLDER/data.mdb, in one step: at no time a node would take a half of it for its data.
///
/// already_exists: the folder has data. not_found: no such file. unavailable: a node uses the folder. data_loss,
/// failed_precondition: the file is damaged, or no store of this version. On a failure nothing is left behind.
result<restored_store> restore_store(const std::filesystem::path& file, const std::filesystem::path& folder);

}  // namespace hive::hivectl
