#include "config/nearest_name.hpp"

#include <algorithm>

namespace hive::config {

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> before_previous(right.size() + 1);
  std::vector<std::size_t> previous(right.size() + 1);
  std::vector<std::size_t> current(right.size() + 1);
  for (std::size_t column = 0; column <= right.size(); ++column) previous[column] = column;
  for (std::size_t row = 1; row <= left.size(); ++row) {
    current[0] = row;
    for (std::size_t column = 1; column <= right.size(); ++column) {
      const std::size_t replaced = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1);
      current[column] = std::min({previous[column] + 1, current[column - 1] + 1, replaced});
      const bool is_swap =
          row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1];
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
  if (text.size() > text_bytes_max) return {};
  const std::string* nearest = nullptr;
  std::size_t nearest_distance = 0;
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(text, name);
    if (nearest != nullptr && distance >= nearest_distance) continue;
    nearest = &name;
    nearest_distance = distance;
  }
  if (nearest == nullptr) return {};
  const std::size_t allowed = std::max<std::size_t>(2, std::max(text.size(), nearest->size()) / 3);
  return nearest_distance <= allowed ? *nearest : std::string{};
}

}  // namespace hive::config
