#include <algorithm>
#include <map>
#include <set>

#include "core/page_token.hpp"
#include "core/queries.hpp"
#include "core/record_reader.hpp"
#include "core/task_sources.hpp"

namespace hive::core {

using namespace views;

namespace {

constexpr std::uint64_t entries_looked_at_max = 100'000;
constexpr int filter_labels_max = 32;
constexpr std::uint32_t log_answer_bytes = 256 << 10;
constexpr std::uint32_t log_answer_bytes_max = 512 << 10;
// A page of tasks stays well below what one message may carry; one task alone may be larger than the rest of it.
constexpr std::size_t page_bytes_max = 512 << 10;

// The filter of one call, with what it has looked up so far.
class task_filter {
 public:
  task_filter(const table_reader& tables, const v1::ListTasksRequest& request) : tables_(tables), request_(request) {
    for (const auto state : request.states()) states_.insert(state);
  }

  [[nodiscard]] std::vector<v1::TaskState> states() const {
    std::vector<v1::TaskState> list;
    for (const auto state : states_) list.push_back(static_cast<v1::TaskState>(state));
    return list;
  }

  bool is_wanted_signature(std::uint32_t id) {
    if (request_.type().empty()) return true;
    const auto known = is_type_.find(id);
    if (known != is_type_.end()) return known->second;
    const auto signature = read_signature(tables_, id);
    return is_type_[id] = signature && signature->type() == request_.type();
  }

  // All but the labels, which stand in the spec.
  bool passes(std::uint64_t id, const v1::TaskStatus& status) {
    if (!states_.empty() && states_.count(status.state()) == 0) return false;
    if (request_.worker_id() != 0 && status.worker_id() != request_.worker_id()) return false;
    return is_wanted_signature(status.signature_id()) && is_visible(id, status);
  }

  [[nodiscard]] bool passes(const v1::TaskSpec& spec) const {
    return std::all_of(request_.labels().begin(), request_.labels().end(), [&](const v1::Label& wanted) {
      return std::any_of(spec.labels().begin(), spec.labels().end(), [&](const v1::Label& label) {
        return label.key() == wanted.key() && label.value() == wanted.value();
      });
    });
  }

 private:
  bool is_visible(std::uint64_t id, const v1::TaskStatus& status) {
    if (status.plan_id() == 0) return is_visible_task(tables_, id, status);
    const auto known = is_visible_plan_.find(status.plan_id());
    if (known != is_visible_plan_.end()) return known->second;
    return is_visible_plan_[status.plan_id()] = is_visible_task(tables_, id, status);
  }

  const table_reader& tables_;
  const v1::ListTasksRequest& request_;
  std::set<int> states_;
  std::map<std::uint32_t, bool> is_type_;
  std::map<std::uint64_t, bool> is_visible_plan_;
};

result<void> validate(const v1::ListTasksRequest& request) {
  for (int i = 0; i < request.states_size(); ++i) {
    if (v1::TaskState_IsValid(request.states(i)) && request.states(i) != v1::TASK_STATE_UNSPECIFIED) continue;
    return error{errc::invalid_argument, std::to_string(request.states(i)) + " is not a task state",
                 "states[" + std::to_string(i) + "]"};
  }
  if (request.labels_size() > filter_labels_max) {
    return error{errc::invalid_argument,
                 "a filter has at most " + std::to_string(filter_labels_max) + " labels, but this one has " +
                     std::to_string(request.labels_size()),
                 "labels"};
  }
  for (int i = 0; i < request.labels_size(); ++i) {
    if (!request.labels(i).key().empty()) continue;
    return error{errc::invalid_argument, "a label needs a key", "labels[" + std::to_string(i) + "].key"};
  }
  return {};
}

std::unique_ptr<task_source> choose_source(const table_reader& tables, const v1::ListTasksRequest& request,
                                           task_filter& filter, std::uint64_t first, std::uint64_t last,
                                           const std::optional<page_position>& behind, bool is_queue_order) {
  if (is_queue_order) {
    return queued_tasks(tables, behind, [&](std::uint32_t id) { return filter.is_wanted_signature(id); });
  }
  if (request.worker_id() != 0 && request.plan_id() == 0) {
    return tasks_of_worker(tables, request.worker_id(), first, last, request.newest_first());
  }
  if (request.states().empty() || request.plan_id() != 0) {
    return tasks_in_range(tables, first, last, request.newest_first());
  }
  auto source = tasks_in_states(tables, filter.states(), first, last, request.newest_first());
  return source ? std::move(source) : tasks_in_range(tables, first, last, request.newest_first());
}

// The task without payload, if it passes the filter.
std::optional<v1::Task> list_one(const table_reader& tables, std::uint64_t id, task_filter& filter) {
  auto status = read_status(tables, id);
  if (!status || !filter.passes(id, *status)) return std::nullopt;
  auto spec = read_spec(tables, id);
  if (!spec || !filter.passes(*spec)) return std::nullopt;
  spec->clear_payload();
  v1::Task task;
  task.set_id(id);
  if (status->plan_id() != 0) {
    if (auto step = read_step(tables, status->plan_id(), status->step_index())) {
      task.set_step_name(std::move(*step->mutable_name()));
    }
  }
  *task.mutable_spec() = *std::move(spec);
  *task.mutable_status() = *std::move(status);
  return task;
}

}  // namespace

result<v1::Task> get_task(const table_reader& tables, task_id id, bool with_payload, bool with_result) {
  auto status = read_status(tables, id.value);
  auto spec = status ? read_spec(tables, id.value) : std::nullopt;
  if (!status || !spec || !is_visible_task(tables, id.value, *status)) return no_such_task(id);
  v1::Task task;
  task.set_id(id.value);
  if (!with_payload) spec->clear_payload();
  if (with_result && status->has_result()) {
    if (auto stored = read_record<v1::TaskResult>(tables, table::task_result, key{}.u64(id.value))) {
      *task.mutable_result() = *std::move(stored);
    }
  }
  if (status->plan_id() != 0) {
    if (auto step = read_step(tables, status->plan_id(), status->step_index())) {
      task.set_step_name(std::move(*step->mutable_name()));
    }
  }
  *task.mutable_spec() = *std::move(spec);
  *task.mutable_status() = *std::move(status);
  return task;
}

result<v1::ListTasksResponse> list_tasks(const table_reader& tables, const v1::ListTasksRequest& request) {
  const auto limit = checked_limit(request.limit(), 100, 1000);
  if (!limit) return limit.failure();
  if (auto checked = validate(request); !checked) return checked.failure();
  const auto behind = decode_page_token(request);
  if (!behind) return behind.failure();

  v1::ListTasksResponse response;
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  if (request.plan_id() != 0) {
    const auto plan = read_plan(tables, request.plan_id());
    const auto plan_status = plan ? read_plan_status(tables, request.plan_id()) : std::nullopt;
    if (!plan_status || !is_visible_plan(*plan_status)) return no_such_plan(plan_id{request.plan_id()});
    first = plan->first_step_task_id();
    last = first + plan->step_count() - 1;
  }
  task_filter filter{tables, request};
  const auto states = filter.states();
  const bool is_queue_order = states.size() == 1 && states.front() == v1::TASK_STATE_QUEUED &&
                              !request.newest_first() && request.plan_id() == 0 && request.worker_id() == 0;
  if (*behind && !is_queue_order) {
    const auto id = (*behind)->task;
    // Nothing can come before 0 or after the largest id.
    if (request.newest_first() ? id == 0 : id == ~std::uint64_t{0}) return response;
    if (request.newest_first()) {
      last = std::min(last, id - 1);
    } else {
      first = std::max(first, id + 1);
    }
  }
  const auto source = choose_source(tables, request, filter, first, last, *behind, is_queue_order);
  std::uint64_t looked_at = source->entries_read();
  std::size_t bytes = 0;
  page_position position;
  bool has_looked = false;
  while (const auto candidate = source->next()) {
    const bool is_full = response.tasks_size() == static_cast<int>(*limit) || bytes >= page_bytes_max;
    if (has_looked && (is_full || looked_at >= entries_looked_at_max)) {
      response.set_next_page_token(encode_page_token(request, position));
      break;
    }
    has_looked = true;
    ++looked_at;
    position = *candidate;
    if (auto task = list_one(tables, candidate->task, filter)) {
      bytes += task->ByteSizeLong();
      *response.add_tasks() = *std::move(task);
    }
  }
  return response;
}

result<v1::GetTaskLogsResponse> get_task_logs(const table_reader& tables, const v1::GetTaskLogsRequest& request) {
  const task_id id{request.task_id()};
  const auto status = read_status(tables, id.value);
  if (!status || !is_visible_task(tables, id.value, *status)) return no_such_task(id);
  const auto limit = checked_limit(request.limit_bytes(), log_answer_bytes, log_answer_bytes_max, "limit_bytes");
  if (!limit) return limit.failure();

  v1::GetTaskLogsResponse response;
  response.set_next_offset(request.offset());
  response.set_is_final(is_final_state(status->state()));
  response.set_is_truncated(status->log_truncated());
  if (request.offset() >= status->log_bytes()) return response;
  // The chunk that the offset lies in may begin before it.
  std::string from{key{}.u64(id.value).u64(request.offset()).view()};
  tables.scan_back(table::task_log, std::string{key{}.u64(id.value).u64(request.offset() + 1).view()},
                   [&](std::string_view entry, std::string_view) {
                     if (read_u64(entry, 0) == id.value) from = entry;
                     return false;
                   });
  std::uint64_t bytes_left = *limit;
  tables.scan(table::task_log, from, [&](std::string_view entry, std::string_view value) {
    if (read_u64(entry, 0) != id.value || bytes_left == 0) return false;
    v1::TaskLogChunk chunk;
    if (!chunk.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      throw table_error(errc::data_loss, "table task_log: a record cannot be parsed");
    }
    const auto begin = read_u64(entry, 8);
    const auto skipped = response.next_offset() > begin ? response.next_offset() - begin : 0;
    if (skipped >= chunk.data().size()) return true;
    const auto taken = std::min<std::uint64_t>(chunk.data().size() - skipped, bytes_left);
    chunk.set_data(chunk.data().substr(skipped, taken));
    chunk.set_offset(begin + skipped);
    bytes_left -= taken;
    response.set_next_offset(begin + skipped + taken);
    *response.add_chunks() = std::move(chunk);
    return true;
  });
  return response;
}

}  // namespace hive::core
