#include "tests/replication/register_history.hpp"

#include <algorithm>
#include <unordered_set>

namespace hive::replication::testing {

namespace {

/// The operations around one written value: the write and the reads that saw it.
struct cluster_zone {
  bool has_write = false;
  std::uint64_t write_called = 0;
  std::uint64_t first_answer = register_history::never;
  std::uint64_t last_call = 0;

  /// Forward: the register must have held the value from the first answer until the last call. Backward: there is a
  /// moment at which all of them may have happened.
  [[nodiscard]] bool is_forward() const { return first_answer < last_call; }
  [[nodiscard]] std::uint64_t begin() const { return std::min(first_answer, last_call); }
  [[nodiscard]] std::uint64_t end() const { return std::max(first_answer, last_call); }
};

}  // namespace

bool is_linearizable(const std::vector<register_history::operation>& operations) {
  std::map<std::uint64_t, cluster_zone> clusters;
  clusters[0] = {true, 0, 0, 0};  // the register begins as 0
  for (const auto& one : operations) {
    cluster_zone& zone = clusters[one.value];
    zone.first_answer = std::min(zone.first_answer, one.answered);
    zone.last_call = std::max(zone.last_call, one.called);
    if (!one.is_write) continue;
    zone.has_write = true;
    zone.write_called = one.called;
  }
  std::vector<cluster_zone> forward;
  for (const auto& [value, zone] : clusters) {
    // A read of something that nobody wrote, or that ended before the write began.
    if (!zone.has_write || zone.first_answer < zone.write_called) return false;
    if (zone.is_forward()) forward.push_back(zone);
  }
  std::sort(forward.begin(), forward.end(), [](const auto& a, const auto& b) { return a.begin() < b.begin(); });
  for (std::size_t i = 1; i < forward.size(); ++i) {
    if (forward[i].begin() < forward[i - 1].end()) return false;
  }
  for (const auto& [value, zone] : clusters) {
    if (zone.is_forward()) continue;
    // The last forward zone that begins before this one: does it hold all of it?
    const auto next = std::upper_bound(forward.begin(), forward.end(), zone.begin(),
                                       [](std::uint64_t at, const cluster_zone& other) { return at < other.begin(); });
    if (next != forward.begin() && zone.end() < std::prev(next)->end()) return false;
  }
  return true;
}

bool register_history::has_room(std::uint64_t key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() || found->second.size() < operations_per_key_max;
}

std::size_t register_history::call_write(std::uint64_t key, std::uint64_t value) {
  keys_[key].push_back({{next_event(), never, true, value}, false});
  return keys_[key].size() - 1;
}

std::size_t register_history::call_read(std::uint64_t key) {
  keys_[key].push_back({{next_event(), never, false, 0}, false});
  return keys_[key].size() - 1;
}

void register_history::answer(std::uint64_t key, std::size_t number, std::uint64_t value) {
  operation& found = keys_[key][number].what;
  found.answered = next_event();
  found.value = value;
}

void register_history::forget(std::uint64_t key, std::size_t number) { keys_[key][number].is_forgotten = true; }

std::string register_history::find_violation() const {
  for (const auto& [key, entries] : keys_) {
    std::unordered_set<std::uint64_t> seen;
    for (const entry& one : entries) {
      if (!one.what.is_write && one.what.answered != never && !one.is_forgotten) seen.insert(one.what.value);
    }
    std::vector<operation> operations;
    for (const entry& one : entries) {
      // Without an answer, a read says nothing, and a write that nobody saw may as well not have happened.
      const bool says_nothing = one.what.answered == never && (!one.what.is_write || !seen.contains(one.what.value));
      if (!one.is_forgotten && !says_nothing) operations.push_back(one.what);
    }
    if (is_linearizable(operations)) continue;
    std::string text = "the history of key " + std::to_string(key) + " is not linearizable:";
    for (const operation& one : operations) {
      text += std::string{"\n  "} + (one.is_write ? "write " : "read ") + std::to_string(one.value) + " from " +
              std::to_string(one.called) + " to " + (one.answered == never ? "?" : std::to_string(one.answered));
    }
    return text;
  }
  return {};
}

}  // namespace hive::replication::testing
