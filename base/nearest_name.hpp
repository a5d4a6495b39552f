#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hive {

/// Levenshtein distance with swaps of neighbours counted as one (optimal string alignment); the case of ASCII letters
/// does not count. O(left * right).
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The name that a mistyped `text` most likely meant: the nearest one, or empty if none is near (more than a third of
/// the letters of the longer one differ). The first of equals wins. O(names * length^2); names and texts of more than
/// 128 bytes are never near.
std::string nearest_name(std::string_view text, const std::vector<std::string>& names);

/// "; did you mean 'needs'?", or "" when nothing is near.
std::string did_you_mean(std::string_view text, const std::vector<std::string>& names);

}  // namespace hive
