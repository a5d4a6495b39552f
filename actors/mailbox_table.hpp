#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace hive {

/// How many messages wait in the mailbox of each front actor. Outlives the actors: a scrape may come while they end.
/// Thread-safe.
class mailbox_table {
 public:
  using depth = std::atomic<std::size_t>;

  /// The counter of an actor that starts now. A second actor of the same name takes the first one's place.
  [[nodiscard]] std::shared_ptr<depth> open(const std::string& actor) {
    auto made = std::make_shared<depth>(0);
    const std::lock_guard lock(mutex_);
    depths_[actor] = made;
    return made;
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::size_t>> depths() const {
    std::vector<std::pair<std::string, std::size_t>> found;
    const std::lock_guard lock(mutex_);
    found.reserve(depths_.size());
    for (const auto& [actor, waiting] : depths_) found.emplace_back(actor, waiting->load(std::memory_order_relaxed));
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<depth>> depths_;
};

}  // namespace hive
