#include "base/nearest_name.hpp"

#include <algorithm>
#include <numeric>

namespace hive {
namespace {

char folded(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before_previous(right.size() + 1);
  std::vector<std::size_t> previous(right.size() + 1);
  std::vector<std::size_t> current(right.size() + 1);
  std::iota(previous.begin(), previous.end(), std::size_t{0});
  const auto is_same = [&](std::size_t row, std::size_t column) {
    return folded(left[row - 1]) == folded(right[column - 1]);
  };
  for (std::size_t row = 1; row <= left.size(); ++row) {
    current[0] = row;
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t replaced = previous[column - 1] + (is_same(row, column) ? 0 : 1);
      current[column] = std::min({previous[column] + 1, current[column - 1] + 1, replaced});
      const bool is_swap = row > 1 && column > 1 && is_same(row, column - 1) && is_same(row - 1, column);
      if (is_swap) current[column] = std::min(current[column], before_previous[column - 2] + 1);
    }
    std::swap(before_previous, previous);
    std::swap(previous, current);
  }
  return previous[right.size()];
}

std::string nearest_name(std::string_view text, const std::vector<std::string>& names) {
  // A name longer than this was not mistyped; the bound also keeps the quadratic comparison small.
  constexpr std::size_t text_bytes_max = 128;
  if (text.empty() || text.size() > text_bytes_max) return {};
  const std::string* nearest = nullptr;
  std::size_t nearest_distance = 0;
  for (const std::string& name : names) {
    if (name.size() > text_bytes_max) continue;
    const std::size_t longer = std::max(text.size(), name.size());
    const std::size_t allowed = std::max<std::size_t>(1, longer / 3);
    if (longer - std::min(text.size(), name.size()) > allowed) continue;
    const std::size_t distance = edit_distance(text, name);
    if (distance > allowed || (nearest != nullptr && distance >= nearest_distance)) continue;
    nearest = &name;
    nearest_distance = distance;
  }
  return nearest == nullptr ? std::string{} : *nearest;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& names) {
  const std::string near = nearest_name(text, names);
  return near.empty() ? std::string{} : "; did you mean '" + near + "'?";
}

}  // namespace hive
