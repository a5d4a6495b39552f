#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hive::plan_files {

/// The candidate with the smallest edit distance to `name`, or "" when none is close enough (more than a third of
/// the letters differ). Case does not count. O(candidates * length^2).
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// "; did you mean 'needs'?", or "" when nothing is near.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace hive::plan_files
