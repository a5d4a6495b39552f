#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/record_reader.hpp"

/// Internal to core/check*.cpp: one run of the invariant checker.
namespace hive::core::views {

constexpr int violations_max = 100;

struct check_run {
  const table_reader& tables;
  v1::CheckResponse& response;
  std::int64_t applied_time = 0;

  // What is counted, to be compared with table::counter.
  std::map<std::string, std::int64_t, std::less<>> counted = {};
  // Timers of kinds whose due time does not follow from a record: (kind, id) -> value of the last one.
  std::map<std::pair<timer_kind, std::uint64_t>, std::string> timers = {};
  // Plans that are staged or being dropped: their steps are not counted yet.
  std::set<std::uint64_t> staged_plans = {};

  [[nodiscard]] bool is_full() const { return response.violations_size() >= violations_max; }
  void violate(std::string text) const {
    if (!is_full()) response.add_violations(std::move(text));
  }
  void expect(bool holds, const std::string& subject, const char* what) const {
    if (!holds) violate(subject + ": " + what);
  }
  [[nodiscard]] bool has(table where, std::string_view at) const { return tables.get(where, at).has_value(); }
  [[nodiscard]] bool has_timer(std::int64_t due, timer_kind kind, std::uint64_t id) const {
    return has(table::timer, key{}.time(due).u8(static_cast<std::uint8_t>(kind)).u64(id));
  }

  /// Visits every row whose value is a Record; a value that cannot be parsed is a violation.
  template <class Record, class Visitor>
  void for_each(table where, const Visitor& visit) const {
    tables.scan(where, "", [&](std::string_view at, std::string_view value) {
      Record record;
      if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        violate(row_name(where, at) + ": cannot be parsed");
      } else {
        visit(at, record);
      }
      return !is_full();
    });
  }
  /// "table task_status, key 0001000000000001".
  static std::string row_name(table where, std::string_view at);
};

void collect_timers(check_run& run);
void check_tasks(check_run& run);
void check_task_rows(check_run& run);
void check_plans(check_run& run);
void check_workers(check_run& run);
void check_events_and_meta(check_run& run);
void check_counters(check_run& run);

}  // namespace hive::core::views
