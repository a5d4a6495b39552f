#pragma once

#include <filesystem>
#include <string>

#include "tests/integration/last_will.hpp"

namespace hive::test {

/// A file system of its own (tmpfs) for a data folder, whose size can be changed while it is used. Unmounted, and its
/// folder removed, by the will. Not usable where mounting is not permitted.
class small_disk {
 public:
  /// Answers whether it is mounted. `size` as mount takes it: "16m".
  bool mount(const std::filesystem::path& folder, const std::string& size, const last_will& will);
  void resize(const std::string& size) const;
  /// Leaves no more room than `bytes`.
  void fill(std::uintmax_t bytes) const;
  [[nodiscard]] bool is_mounted() const { return is_mounted_; }

 private:
  std::filesystem::path folder_;
  bool is_mounted_ = false;
};

/// Whether this process may mount file systems.
bool can_mount();

}  // namespace hive::test
