#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "persistence/store.hpp"

namespace hive::persistence::testing {

/// A folder of its own for one test, removed with it.
class temporary_folder {
 public:
  temporary_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hive-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error{"mkdtemp failed"};
    path_ = pattern;
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline store_options options_for(const std::filesystem::path& folder, std::uint64_t map_bytes = 64ULL << 20) {
  store_options options;
  options.folder = folder;
  options.map_bytes_max = map_bytes;
  return options;
}

}  // namespace hive::persistence::testing
