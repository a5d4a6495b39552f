#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.hpp"
#include "replication/effects.hpp"

namespace hive {

/// The copy of another node's state as it arrives, piece by piece, in DATA_DIR/installing/data.mdb. Blocks on the disk;
/// owned by the replicator, which has nothing better to do meanwhile.
class snapshot_stage {
 public:
  explicit snapshot_stage(const std::filesystem::path& data_dir) : folder_(data_dir / "installing") {}
  ~snapshot_stage() { discard(); }
  snapshot_stage(const snapshot_stage&) = delete;
  snapshot_stage& operator=(const snapshot_stage&) = delete;

  /// Answers the bytes that are there now; offset 0 begins anew, and the last piece is on disk when this returns.
  result<std::uint64_t> write(const replication::snapshot_write& piece);
  void discard();
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  void close();

  std::filesystem::path folder_;
  int file_ = -1;
};

}  // namespace hive
