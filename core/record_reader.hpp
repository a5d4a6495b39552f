#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "core/keys.hpp"
#include "core/table.hpp"
#include "hive/v1/api.pb.h"
#include "hive/v1/command.pb.h"

/// What the read-only views share: typed access to single records, names of states, visibility.
namespace hive::core::views {

/// The record under `key`, nothing if there is none. Throws table_error(data_loss) if it cannot be parsed.
template <class Record>
std::optional<Record> read_record(const table_reader& tables, table where, std::string_view key_bytes) {
  const auto value = tables.get(where, key_bytes);
  if (!value) return std::nullopt;
  Record record;
  if (!record.ParseFromArray(value->data(), static_cast<int>(value->size()))) {
    throw table_error(errc::data_loss, "table " + std::string{table_names[static_cast<std::size_t>(where)]} +
                                           ": a record cannot be parsed");
  }
  return record;
}

inline std::optional<v1::TaskSpec> read_spec(const table_reader& tables, std::uint64_t id) {
  return read_record<v1::TaskSpec>(tables, table::task_spec, key{}.u64(id));
}
inline std::optional<v1::TaskStatus> read_status(const table_reader& tables, std::uint64_t id) {
  return read_record<v1::TaskStatus>(tables, table::task_status, key{}.u64(id));
}
inline std::optional<v1::PlanSpec> read_plan(const table_reader& tables, std::uint64_t id) {
  return read_record<v1::PlanSpec>(tables, table::plan, key{}.u64(id));
}
inline std::optional<v1::PlanStatus> read_plan_status(const table_reader& tables, std::uint64_t id) {
  return read_record<v1::PlanStatus>(tables, table::plan_status, key{}.u64(id));
}
inline std::optional<v1::PlanStep> read_step(const table_reader& tables, std::uint64_t plan, std::uint32_t index) {
  return read_record<v1::PlanStep>(tables, table::plan_step, key{}.u64(plan).u32(index));
}
inline std::optional<v1::Worker> read_worker(const table_reader& tables, std::uint64_t id) {
  return read_record<v1::Worker>(tables, table::worker, key{}.u64(id));
}
inline std::optional<v1::Signature> read_signature(const table_reader& tables, std::uint32_t id) {
  return read_record<v1::Signature>(tables, table::signature, key{}.u32(id));
}

/// "queued", "plan_paused": the enum's name without its prefix, in lower case.
std::string name_of(v1::TaskState state);
std::string name_of(v1::Reason reason);
std::string name_of(v1::PlanState state);
std::string name_of(v1::WorkerState state);

bool is_final_state(v1::TaskState state);
bool is_final_state(v1::PlanState state);

/// A staged plan, and one that is on its way out, is seen by nobody.
bool is_visible_plan(const v1::PlanStatus& status);
/// False for the steps of such a plan, and for the parent of a plan that is being purged.
bool is_visible_task(const table_reader& tables, std::uint64_t id, const v1::TaskStatus& status);

/// What the views say when an id leads nowhere.
error no_such_task(task_id id);
error no_such_plan(plan_id id);

/// The caller's limit, `standard` for 0. invalid_argument above `limit_max`, in field "limit".
result<std::uint32_t> checked_limit(std::uint32_t limit, std::uint32_t standard, std::uint32_t limit_max,
                                    const std::string& field = "limit");

/// A step as clients see it, without the names of its needs.
v1::StepView make_step_view(std::uint64_t id, const v1::PlanStep& step, const v1::TaskSpec& spec,
                            const v1::TaskStatus& status);

}  // namespace hive::core::views
