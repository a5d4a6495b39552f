#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/page_token.hpp"
#include "core/table.hpp"
#include "hive/v1/task.pb.h"

namespace hive::core::views {

/// Candidates of a task list, one after the other in the list's order, each at most once. Whoever asks checks the
/// filter; a source only narrows down.
class task_source {
 public:
  task_source() = default;
  task_source(const task_source&) = delete;
  task_source& operator=(const task_source&) = delete;
  virtual ~task_source() = default;

  /// Nothing at the end.
  virtual std::optional<page_position> next() = 0;
  /// Index entries that were read to build the source, before the first next().
  [[nodiscard]] virtual std::uint64_t entries_read() const { return 0; }
};

/// Ids in [first, last], by id, from task_status.
std::unique_ptr<task_source> tasks_in_range(const table_reader& tables, std::uint64_t first, std::uint64_t last,
                                            bool newest_first);

/// Tasks that this worker holds, by id.
std::unique_ptr<task_source> tasks_of_worker(const table_reader& tables, std::uint64_t worker, std::uint64_t first,
                                             std::uint64_t last, bool newest_first);

/// Queued tasks in the order in which dispatch takes them, merged from the signatures that `is_wanted` (called
/// once each). Begins behind `behind`.
std::unique_ptr<task_source> queued_tasks(const table_reader& tables, const std::optional<page_position>& behind,
                                          const std::function<bool(std::uint32_t)>& is_wanted);

/// Tasks in any of `states` with ids in [first, last], by id: merges the index of each state. Queued and held tasks
/// are not indexed by id; while there are few of them they are collected and sorted, else nullptr is returned:
/// tasks_in_range is the better source then.
std::unique_ptr<task_source> tasks_in_states(const table_reader& tables, const std::vector<v1::TaskState>& states,
                                             std::uint64_t first, std::uint64_t last, bool newest_first);

}  // namespace hive::core::views
