#pragma once

#include <string>

#include "base/result.hpp"

namespace hive::plan_files {

/// The whole file ("-": the standard input), within plan_file_bytes_max.
result<std::string> read_file_text(const std::string& path);

/// The file's name without folder and extension.
std::string stem_of(const std::string& path);

}  // namespace hive::plan_files
