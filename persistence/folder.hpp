#pragma once

#include <filesystem>

#include "base/result.hpp"

namespace hive::persistence {

/// A file descriptor that is closed with its owner.
class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int descriptor) : descriptor_(descriptor) {}
  file_descriptor(file_descriptor&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  file_descriptor& operator=(file_descriptor&& other) noexcept;
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor();
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// Creates the folder (mode 0700; missing parents with the usual mode) and makes it durable. An existing
/// folder is left as it is. invalid_argument if it cannot be, resource_exhausted on a full disk.
result<void> create_folder(const std::filesystem::path& folder);

/// Makes the names in the folder durable (fsync).
result<void> sync_folder(const std::filesystem::path& folder);

/// Takes flock on `<folder>/LOCK` and writes our pid into it. The lock lives as long as the descriptor and
/// ends with the process, however it ends. unavailable, naming the holder's pid, if somebody else has it.
result<file_descriptor> lock_folder(const std::filesystem::path& folder);

}  // namespace hive::persistence
