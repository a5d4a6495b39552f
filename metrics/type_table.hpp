#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "metrics/names.hpp"

namespace hive::metrics {

/// The metrics of one task type. Never moves, lives as long as the table.
struct type_metrics {
  std::string type;
  prometheus::Counter* created = nullptr;
  prometheus::Counter* completed = nullptr;
  prometheus::Counter* failed = nullptr;
  prometheus::Counter* retried = nullptr;
  prometheus::Counter* canceled = nullptr;
  prometheus::Histogram* queue_wait = nullptr;
  prometheus::Histogram* run_time = nullptr;
  prometheus::Histogram* end_to_end = nullptr;
};

/// Task types that are labels: the first names::types_max, and "other" for the rest. Readers take no lock:
/// an open-addressing table of pointers that are set once.
class type_table {
 public:
  explicit type_table(prometheus::Registry& registry);

  /// The metrics of `type`; a new type gets its own while there is room. Any thread.
  type_metrics& of(std::string_view type);

 private:
  static constexpr std::size_t slot_count = 512;
  static_assert(slot_count >= 4 * names::types_max, "probes must stay short and end");

  type_metrics& add(std::string_view type);
  std::unique_ptr<type_metrics> make(std::string_view type);

  prometheus::Family<prometheus::Counter>& created_;
  prometheus::Family<prometheus::Counter>& completed_;
  prometheus::Family<prometheus::Counter>& failed_;
  prometheus::Family<prometheus::Counter>& retried_;
  prometheus::Family<prometheus::Counter>& canceled_;
  prometheus::Family<prometheus::Histogram>& queue_wait_;
  prometheus::Family<prometheus::Histogram>& run_time_;
  prometheus::Family<prometheus::Histogram>& end_to_end_;

  std::array<std::atomic<type_metrics*>, slot_count> slots_{};
  std::atomic<type_metrics*> last_{nullptr};
  std::mutex adding_;
  std::array<std::unique_ptr<type_metrics>, names::types_max> types_;
  std::size_t types_used_ = 0;
  std::unique_ptr<type_metrics> other_;  // made with the first type that needs it
  std::atomic<type_metrics*> overflow_{nullptr};
};

}  // namespace hive::metrics
