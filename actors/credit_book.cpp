#include "actors/credit_book.hpp"

#include <algorithm>
#include <queue>

namespace hive {
namespace {

constexpr std::uint64_t load_scale = 1000;

std::uint32_t load_of(std::uint64_t used, std::uint64_t slots) {
  return static_cast<std::uint32_t>(slots == 0 ? load_scale : used * load_scale / slots);
}

}  // namespace

credit_book::rank credit_book::rank_of(worker_id worker, const entry& value) {
  return {load_of(value.used, value.slots), value.served_at, worker};
}

void credit_book::remember(worker_id worker) {
  if (undo_.contains(worker)) return;
  const auto found = entries_.find(worker);
  undo_.emplace(worker, found == entries_.end() ? std::nullopt : std::optional<entry>(found->second));
}

void credit_book::erase(worker_id worker) {
  const auto found = entries_.find(worker);
  if (found == entries_.end()) return;
  available_.erase(rank_of(worker, found->second));
  entries_.erase(found);
}

void credit_book::put(worker_id worker, const entry& value) {
  erase(worker);
  entries_.emplace(worker, value);
  if (value.free() > 0) available_.insert(rank_of(worker, value));
}

template <class Change>
void credit_book::change(worker_id worker, const Change& apply) {
  const auto found = entries_.find(worker);
  if (found == entries_.end()) return;
  remember(worker);
  entry changed = found->second;
  apply(changed);
  put(worker, changed);
}

void credit_book::rollback() {
  for (const auto& [worker, before] : undo_) {
    if (before) {
      put(worker, *before);
    } else {
      erase(worker);
    }
  }
  undo_.clear();
}

std::vector<worker_id> credit_book::touched() const {
  std::vector<worker_id> workers;
  workers.reserve(undo_.size());
  for (const auto& [worker, before] : undo_) workers.push_back(worker);
  return workers;
}

void credit_book::open(worker_id worker, session_number session, std::uint32_t slots, std::uint32_t used,
                       bool is_accepting) {
  remember(worker);
  put(worker, {.session = session,
               .slots = slots,
               .used = used,
               .is_accepting = is_accepting,
               .is_connected = true,
               .served_at = ++served_count_});
}

void credit_book::suspend(worker_id worker, session_number session) {
  change(worker, [session](entry& value) {
    if (value.session == session) value.is_connected = false;
  });
}

void credit_book::close(worker_id worker) {
  remember(worker);
  erase(worker);
}

void credit_book::set_accepting(worker_id worker, bool is_accepting) {
  change(worker, [is_accepting](entry& value) { value.is_accepting = is_accepting; });
}

void credit_book::set_prefetch(worker_id worker, session_number session, std::uint32_t tasks) {
  const auto found = entries_.find(worker);
  if (found == entries_.end() || found->second.session != session || found->second.prefetch == tasks) return;
  change(worker, [tasks](entry& value) { value.prefetch = tasks; });
}

void credit_book::take(worker_id worker, std::uint32_t count) {
  change(worker, [this, count](entry& value) {
    value.used += count;
    value.served_at = ++served_count_;
  });
}

void credit_book::give_back(worker_id worker, std::uint32_t count) {
  change(worker, [count](entry& value) { value.used -= std::min(value.used, count); });
}

void credit_book::release(worker_id worker) {
  change(worker, [](entry& value) {
    if (value.used > 0) --value.used;
  });
}

std::vector<credit_book::offer> credit_book::plan(std::uint64_t tasks, std::uint32_t slots_max,
                                                  const std::function<bool(worker_id)>& is_wanted) const {
  std::vector<offer> offers;
  std::vector<const entry*> candidates;
  if (tasks == 0 || slots_max == 0) return offers;
  // More candidates than tasks are never needed: each takes at least one.
  for (const auto& [load, served_at, worker] : available_) {
    if (offers.size() >= tasks) break;
    if (!is_wanted(worker)) continue;
    const entry& value = entries_.at(worker);
    candidates.push_back(&value);
    offers.push_back({worker, value.session, 0});
  }
  using place = std::pair<std::uint32_t, std::size_t>;  // load if it gets nothing more, index
  std::priority_queue<place, std::vector<place>, std::greater<>> least_loaded;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    least_loaded.emplace(load_of(candidates[i]->used, candidates[i]->slots), i);
  }
  for (std::uint64_t left = tasks; left > 0 && !least_loaded.empty(); --left) {
    const std::size_t index = least_loaded.top().second;
    least_loaded.pop();
    const std::uint32_t granted = ++offers[index].slots;
    if (granted < std::min(candidates[index]->free(), slots_max)) {
      least_loaded.emplace(load_of(std::uint64_t{candidates[index]->used} + granted, candidates[index]->slots), index);
    }
  }
  std::erase_if(offers, [](const offer& value) { return value.slots == 0; });
  return offers;
}

std::optional<credit_book::figures> credit_book::find(worker_id worker) const {
  const auto found = entries_.find(worker);
  if (found == entries_.end()) return std::nullopt;
  return figures{found->second.slots, found->second.used};
}

}  // namespace hive
