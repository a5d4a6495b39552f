#pragma once

#include <mutex>

#include "hive/v1/api.pb.h"
#include "hive/v1/cluster.pb.h"

namespace hive {

/// What this node knows of its cluster, for whoever answers questions about it. Written by the replicator after each
/// change, read by anyone.
class cluster_view {
 public:
  void set(v1::Leadership leadership) {
    const std::lock_guard lock(mutex_);
    leadership_ = std::move(leadership);
  }
  [[nodiscard]] v1::Leadership leadership() const {
    const std::lock_guard lock(mutex_);
    return leadership_;
  }
  void set(v1::ClusterStatusResponse status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
  }
  /// As of the replicator's last report; the indexes are at most half a second old.
  [[nodiscard]] v1::ClusterStatusResponse status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  v1::Leadership leadership_;
  v1::ClusterStatusResponse status_;
};

}  // namespace hive
