#pragma once

#include <filesystem>

#include "persistence/store.hpp"

namespace hive::persistence::testing {

inline store_options options_for(const std::filesystem::path& folder, std::uint64_t map_bytes = 64ULL << 20) {
  store_options options;
  options.folder = folder;
  options.map_bytes_max = map_bytes;
  return options;
}

}  // namespace hive::persistence::testing
