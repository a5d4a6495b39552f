#include <algorithm>

#include "core/queries.hpp"
#include "core/record_reader.hpp"

namespace hive::core {

using namespace views;

namespace {

constexpr int filter_entries_max = 1000;
constexpr std::size_t event_name_bytes_max = 64;
constexpr std::size_t type_bytes_max = 128;
constexpr std::uint32_t events_looked_at_max = 100'000;
// An answer stays well below what one message may carry; one event alone may be larger than the rest of it.
constexpr std::size_t answer_bytes_max = 512 << 10;

template <class Values, class Value>
bool contains(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool is_name_match(std::string_view pattern, std::string_view name) {
  if (pattern.empty() || pattern.back() != '*') return pattern == name;
  pattern.remove_suffix(1);
  return name.substr(0, pattern.size()) == pattern;
}

std::string_view event_name(const v1::Event& event) {
  switch (event.body_case()) {
    case v1::Event::kTask:
      return event.task().name();
    case v1::Event::kWorkflow:
      return event.workflow().name();
    case v1::Event::kWorker:
      return event.worker().name();
    case v1::Event::BODY_NOT_SET:
      break;
  }
  return {};
}

std::uint64_t plan_of(const v1::Event& event) {
  return event.has_task() ? event.task().plan_id() : event.has_workflow() ? event.workflow().plan_id() : 0;
}

std::uint64_t worker_of(const v1::Event& event) {
  return event.has_task() ? event.task().worker_id() : event.has_worker() ? event.worker().worker_id() : 0;
}

result<void> check_part_size(int size, const char* part) {
  if (size <= filter_entries_max) return {};
  return error{errc::invalid_argument,
               std::string{part} + " has " + std::to_string(size) + " entries; at most " +
                   std::to_string(filter_entries_max) + " are allowed",
               std::string{"filter."} + part};
}

bool is_well_formed_name(std::string_view name) {
  if (!name.empty() && name.back() == '*') {
    name.remove_suffix(1);
    if (name.empty()) return true;
  }
  if (name.empty() || name.size() > event_name_bytes_max) return false;
  return std::all_of(name.begin(), name.end(), [](char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '_' ||
           character == '.';
  });
}

result<void> check_ids(const google::protobuf::RepeatedField<std::uint64_t>& ids, const char* part) {
  for (int i = 0; i < ids.size(); ++i) {
    if (ids[i] != 0) continue;
    return error{errc::invalid_argument, "an id cannot be 0",
                 std::string{"filter."} + part + "[" + std::to_string(i) + "]"};
  }
  return {};
}

}  // namespace

bool is_match(const v1::EventFilter& filter, const v1::Event& event) {
  if (!filter.names().empty()) {
    const auto name = event_name(event);
    const bool is_named = std::any_of(filter.names().begin(), filter.names().end(),
                                      [&](const std::string& pattern) { return is_name_match(pattern, name); });
    if (!is_named) return false;
  }
  if (!filter.task_ids().empty() && !(event.has_task() && contains(filter.task_ids(), event.task().task_id()))) {
    return false;
  }
  if (!filter.plan_ids().empty() && !contains(filter.plan_ids(), plan_of(event))) return false;
  if (!filter.worker_ids().empty() && !contains(filter.worker_ids(), worker_of(event))) return false;
  if (!filter.task_types().empty() && !(event.has_task() && contains(filter.task_types(), event.task().type()))) {
    return false;
  }
  return true;
}

result<void> validate_filter(const v1::EventFilter& filter) {
  const std::pair<int, const char*> sizes[] = {{filter.names_size(), "names"},
                                               {filter.task_ids_size(), "task_ids"},
                                               {filter.plan_ids_size(), "plan_ids"},
                                               {filter.worker_ids_size(), "worker_ids"},
                                               {filter.task_types_size(), "task_types"}};
  for (const auto& [size, part] : sizes) {
    if (auto checked = check_part_size(size, part); !checked) return checked;
  }
  for (int i = 0; i < filter.names_size(); ++i) {
    if (is_well_formed_name(filter.names(i))) continue;
    return error{errc::invalid_argument,
                 "an event name is 1 to 64 of a-z, 0-9, _ and . and may end with a star, but this one is '" +
                     filter.names(i).substr(0, event_name_bytes_max) + "'",
                 "filter.names[" + std::to_string(i) + "]"};
  }
  if (auto checked = check_ids(filter.task_ids(), "task_ids"); !checked) return checked;
  if (auto checked = check_ids(filter.plan_ids(), "plan_ids"); !checked) return checked;
  if (auto checked = check_ids(filter.worker_ids(), "worker_ids"); !checked) return checked;
  for (int i = 0; i < filter.task_types_size(); ++i) {
    const auto size = filter.task_types(i).size();
    if (size >= 1 && size <= type_bytes_max) continue;
    return error{errc::invalid_argument, "a task type has 1 to 128 bytes, but this one has " + std::to_string(size),
                 "filter.task_types[" + std::to_string(i) + "]"};
  }
  return {};
}

result<v1::ReadEventsResponse> read_events(const table_reader& tables, const v1::ReadEventsRequest& request) {
  const auto limit = checked_limit(request.limit(), 1000, 10'000);
  if (!limit) return limit.failure();
  if (auto checked = validate_filter(request.filter()); !checked) return checked.failure();

  v1::ReadEventsResponse response;
  response.set_cursor(request.after_seq());
  // Where the table is empty because all was purged, the numbering still says what has been.
  const auto next = tables.get(table::meta, "next_event");
  response.set_last_seq(next && read_u64(*next, 0) > 0 ? read_u64(*next, 0) - 1 : 0);
  tables.scan_back(table::event, "", [&](std::string_view seq, std::string_view) {
    response.set_last_seq(read_u64(seq, 0));
    return false;
  });
  std::uint64_t first = response.last_seq() + 1;
  tables.scan(table::event, "", [&](std::string_view seq, std::string_view) {
    first = read_u64(seq, 0);
    return false;
  });
  if (request.after_seq() >= response.last_seq()) return response;
  if (request.after_seq() + 1 < first) {
    return error{errc::failed_precondition,
                 "events after " + std::to_string(request.after_seq()) +
                     " have been purged; the first one available is " + std::to_string(first),
                 "after_seq"};
  }
  std::uint32_t looked_at = 0;
  std::size_t bytes = 0;
  tables.scan(table::event, key{}.u64(request.after_seq() + 1), [&](std::string_view seq, std::string_view value) {
    if (looked_at == events_looked_at_max || response.events_size() == static_cast<int>(*limit)) return false;
    v1::Event event;
    if (!event.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
      throw table_error(errc::data_loss,
                        "table event: event " + std::to_string(read_u64(seq, 0)) + " cannot be parsed");
    }
    if (is_match(request.filter(), event)) {
      bytes += value.size();
      if (response.events_size() > 0 && bytes > answer_bytes_max) return false;
      *response.add_events() = std::move(event);
    }
    ++looked_at;
    response.set_cursor(read_u64(seq, 0));
    return true;
  });
  return response;
}

}  // namespace hive::core
