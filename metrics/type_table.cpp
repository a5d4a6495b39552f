#include "metrics/type_table.hpp"

#include <functional>
#include <vector>

namespace hive::metrics {

namespace {

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const names::metric& what) {
  return prometheus::BuildCounter().Name(what.name).Help(what.help).Register(registry);
}

prometheus::Family<prometheus::Histogram>& histograms(prometheus::Registry& registry, const names::metric& what) {
  return prometheus::BuildHistogram().Name(what.name).Help(what.help).Register(registry);
}

}  // namespace

type_table::type_table(prometheus::Registry& registry)
    : created_(counters(registry, names::tasks_created)),
      completed_(counters(registry, names::tasks_completed)),
      failed_(counters(registry, names::tasks_failed)),
      retried_(counters(registry, names::tasks_retried)),
      canceled_(counters(registry, names::tasks_canceled)),
      queue_wait_(histograms(registry, names::queue_wait)),
      run_time_(histograms(registry, names::run_time)),
      end_to_end_(histograms(registry, names::end_to_end)) {}

type_metrics& type_table::of(std::string_view type) {
  // Events come in runs of one type.
  if (type_metrics* last = last_.load(std::memory_order_acquire); last != nullptr && last->type == type) return *last;
  std::size_t slot = std::hash<std::string_view>{}(type) % slot_count;
  for (;; slot = (slot + 1) % slot_count) {
    type_metrics* found = slots_[slot].load(std::memory_order_acquire);
    if (found == nullptr) break;
    if (found->type == type) {
      last_.store(found, std::memory_order_release);
      return *found;
    }
  }
  // Once the table is full, a type that is not in it never will be.
  if (type_metrics* overflow = overflow_.load(std::memory_order_acquire); overflow != nullptr) return *overflow;
  return add(type);
}

type_metrics& type_table::add(std::string_view type) {
  const std::lock_guard<std::mutex> lock{adding_};
  std::size_t slot = std::hash<std::string_view>{}(type) % slot_count;
  for (; slots_[slot].load(std::memory_order_relaxed) != nullptr; slot = (slot + 1) % slot_count) {
    if (slots_[slot].load(std::memory_order_relaxed)->type == type) return *slots_[slot].load();
  }
  if (type == names::other || types_used_ == names::types_max) {
    if (!other_) other_ = make(names::other);
    if (types_used_ == names::types_max) overflow_.store(other_.get(), std::memory_order_release);
    return *other_;
  }
  auto& added = types_[types_used_++];
  added = make(type);
  slots_[slot].store(added.get(), std::memory_order_release);
  return *added;
}

std::unique_ptr<type_metrics> type_table::make(std::string_view type) {
  using bounds = prometheus::Histogram::BucketBoundaries;
  const bounds seconds(names::task_seconds.begin(), names::task_seconds.end());
  const prometheus::Labels labels{{names::label::type, std::string{type}}};
  auto made = std::make_unique<type_metrics>();
  made->type = type;
  made->created = &created_.Add(labels);
  made->completed = &completed_.Add(labels);
  made->failed = &failed_.Add(labels);
  made->retried = &retried_.Add(labels);
  made->canceled = &canceled_.Add(labels);
  made->queue_wait = &queue_wait_.Add(labels, seconds);
  made->run_time = &run_time_.Add(labels, seconds);
  made->end_to_end = &end_to_end_.Add(labels, seconds);
  return made;
}

}  // namespace hive::metrics
