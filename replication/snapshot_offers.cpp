#include "replication/snapshot_offers.hpp"

#include <algorithm>

namespace hive::replication {

snapshot_id snapshot_offers::add(node_id peer, log_index index, time_ms now) {
  for (auto one = offers_.begin(); one != offers_.end();) {
    const auto next = std::next(one);
    if (one->second.peer == peer && !one->second.is_pulled) erase(one);
    one = next;
  }
  while (offers_.size() >= offers_max_) {
    erase(std::min_element(offers_.begin(), offers_.end(),
                           [](const auto& a, const auto& b) { return a.second.active_ms < b.second.active_ms; }));
  }
  const snapshot_id id{next_number(state_) | 1U};
  offers_[id] = {peer, index, now, false};
  return id;
}

const snapshot_offers::offer* snapshot_offers::touch(snapshot_id id, node_id peer, time_ms now) {
  const auto found = offers_.find(id);
  if (found == offers_.end() || found->second.peer != peer) return nullptr;
  found->second.active_ms = now;
  found->second.is_pulled = true;
  return &found->second;
}

const snapshot_offers::offer* snapshot_offers::find(snapshot_id id) const {
  const auto found = offers_.find(id);
  return found == offers_.end() ? nullptr : &found->second;
}

void snapshot_offers::close(snapshot_id id) {
  if (const auto found = offers_.find(id); found != offers_.end()) erase(found);
}

void snapshot_offers::note_match(node_id peer, log_index match) {
  for (auto one = offers_.begin(); one != offers_.end();) {
    const auto next = std::next(one);
    if (one->second.peer == peer && one->second.index <= match) erase(one);
    one = next;
  }
}

void snapshot_offers::expire(time_ms now) {
  for (auto one = offers_.begin(); one != offers_.end();) {
    const auto next = std::next(one);
    if (now - one->second.active_ms >= idle_ms_max_) erase(one);
    one = next;
  }
}

std::optional<log_index> snapshot_offers::pinned() const {
  std::optional<log_index> smallest;
  for (const auto& [id, one] : offers_) smallest = std::min(smallest.value_or(one.index), one.index);
  return smallest;
}

void snapshot_offers::erase(std::map<snapshot_id, offer>::iterator where) {
  if (where->second.is_pulled) closed_.push_back(where->first);
  offers_.erase(where);
}

}  // namespace hive::replication
