#include "apps/executor/bounded_output.hpp"

#include <algorithm>

namespace hive::executor {

void bounded_output::append(std::string_view data) {
  bytes_total_ += data.size();
  const std::size_t to_head = std::min<std::size_t>(data.size(), head_bytes_max_ - head_.size());
  head_ += data.substr(0, to_head);
  data.remove_prefix(to_head);
  if (data.empty() || tail_bytes_max_ == 0) return;
  if (data.size() > tail_bytes_max_) data.remove_prefix(data.size() - tail_bytes_max_);
  tail_ += data;
  if (tail_.size() > 2 * tail_bytes_max_) tail_.erase(0, tail_.size() - tail_bytes_max_);
}

std::string bounded_output::text() const {
  const std::string_view tail = std::string_view{tail_}.substr(tail_.size() - tail_bytes());
  if (!is_truncated()) return head_ + std::string{tail};
  const std::uint64_t missing = bytes_total_ - head_.size() - tail.size();
  return head_ + "\n[... " + std::to_string(missing) + " bytes left out ...]\n" + std::string{tail};
}

}  // namespace hive::executor
