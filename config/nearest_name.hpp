#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hive::config {

/// Levenshtein distance with swaps of neighbours counted as one (optimal string alignment). O(left * right).
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The name that a mistyped `text` most likely meant: the nearest one, or empty if none is near (more than a
/// third of the letters differ). The first of equals wins.
std::string nearest_name(std::string_view text, const std::vector<std::string>& names);

}  // namespace hive::config
