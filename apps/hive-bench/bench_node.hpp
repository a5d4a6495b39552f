#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/hive-bench/child.hpp"

namespace hive::bench {

/// One hived on a folder of its own. Failures are std::runtime_error.
class bench_node {
 public:
  /// `port` 0: another one at each start. `settings`: further ones ("cluster.name=x"). Does not start it.
  bench_node(std::filesystem::path folder, std::uint16_t port, std::vector<std::string> settings);

  /// Starts the process; the same data as before, if there are any.
  void spawn();
  /// Until its ports are known; false if it has ended instead.
  [[nodiscard]] bool wait_up();
  /// Both.
  void start();
  /// In good order.
  void stop() { hived_.reset(); }
  /// SIGTERM; stop() or the destructor waits.
  void terminate() const {
    if (hived_) hived_->terminate();
  }
  /// SIGKILL; it is gone when this returns.
  void kill();
  /// Removes its data; it must not run.
  void wipe();

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::string log() const { return text_of(folder_ / "hived.log"); }

  /// Memory of the process outside of the page cache, in bytes; 0 if it does not run.
  [[nodiscard]] std::uint64_t memory_bytes() const;
  /// CPU time of the process; 0 if it does not run.
  [[nodiscard]] double cpu_seconds() const { return hived_ ? hived_->cpu_seconds() : 0; }
  /// Disk blocks of its data, in bytes.
  [[nodiscard]] std::uint64_t disk_bytes() const;

 private:
  [[nodiscard]] std::filesystem::path data() const { return folder_ / "data"; }
  [[nodiscard]] std::filesystem::path ports() const { return data() / "ports.json"; }

  std::filesystem::path folder_;
  std::string listen_;
  std::vector<std::string> settings_;
  std::string endpoint_;
  std::unique_ptr<child> hived_;
};

}  // namespace hive::bench
