#include "apps/hivectl/task_actions.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "apps/executor/process_outcome.hpp"
#include "apps/hivectl/progress.hpp"

namespace hive::hivectl {
namespace {

constexpr std::chrono::milliseconds log_poll_interval{200};

/// "@file", "-" (standard input) or the text itself.
result<std::string> read_payload(const std::string& text) {
  if (text != "-" && !text.starts_with("@")) return text;
  std::ostringstream bytes;
  if (text == "-") {
    bytes << std::cin.rdbuf();
    return bytes.str();
  }
  std::ifstream file{text.substr(1), std::ios::binary};
  if (!file) return error{errc::invalid_argument, "the file " + text.substr(1) + " cannot be opened", "payload"};
  bytes << file.rdbuf();
  return bytes.str();
}

result<void> set_durations(const create_task_options& options, v1::TaskSpec& spec) {
  const auto delay = parse_duration_option(options.delay, "--delay");
  const auto backoff = parse_duration_option(options.backoff, "--backoff");
  const auto queue = parse_duration_option(options.queue_timeout, "--queue-timeout");
  const auto run = parse_duration_option(options.run_timeout, "--run-timeout");
  const auto total = parse_duration_option(options.total_timeout, "--total-timeout");
  for (const auto* duration : {&delay, &backoff, &queue, &run, &total}) {
    if (!*duration) return duration->failure();
  }
  if (*delay > 0) spec.set_not_before_unix_ms(now_unix_ms() + *delay);
  spec.mutable_retry()->set_max_attempts(options.attempts_max);
  spec.mutable_retry()->set_backoff_initial_ms(*backoff);
  spec.mutable_timeouts()->set_queue_ms(*queue);
  spec.mutable_timeouts()->set_run_ms(*run);
  spec.mutable_timeouts()->set_total_ms(*total);
  return {};
}

/// Words of a command line as a title, so that lists say more than "process".
std::string title_of(const std::vector<std::string>& command) {
  constexpr std::size_t title_bytes_max = 60;
  std::string title;
  for (const std::string& word : command) title += (title.empty() ? "" : " ") + word;
  std::replace_if(
      title.begin(), title.end(), [](unsigned char letter) { return letter < 0x20 || letter == 0x7F; }, ' ');
  if (title.size() <= title_bytes_max) return title;
  std::size_t end = title_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(title[end]) & 0xC0) == 0x80) --end;  // no half letter
  return title.substr(0, end) + "...";
}

/// Exit status of a task that was waited for.
int status_of(const v1::Task& task) {
  return task.status().state() == v1::TASK_STATE_COMPLETED ? 0 : exit_not_completed;
}

void print_task(const session& context, const v1::Task& task) {
  if (!context.out.is_table()) {
    context.out.print(task);
    return;
  }
  const v1::TaskSpec& spec = task.spec();
  const v1::TaskStatus& status = task.status();
  std::string labels;
  for (const v1::Label& label : spec.labels())
    labels += (labels.empty() ? "" : ", ") + label.key() + "=" + label.value();
  std::string capabilities;
  for (const std::string& name : spec.required_capabilities())
    capabilities += (capabilities.empty() ? "" : ", ") + name;
  const bool has_run = status.started_unix_ms() > 0;
  context.out.print_fields({
      {"id", to_string(task_id{task.id()})},
      {"title", spec.title()},
      {"type", spec.type()},
      {"state", name_of(status.state())},
      {"reason", name_of(status.reason()) + (status.reason_text().empty() ? "" : ": " + status.reason_text())},
      {"attempt", status.attempt() > 0
                      ? std::to_string(status.attempt()) + " of " + std::to_string(spec.retry().max_attempts())
                      : ""},
      {"worker", status.worker_id() > 0 ? to_string(worker_id{status.worker_id()}) : ""},
      {"plan", spec.plan_id() > 0 ? to_string(task_id{spec.plan_id()}) + ", step " + task.step_name() : ""},
      {"priority", std::to_string(spec.priority())},
      {"requires", capabilities},
      {"labels", labels},
      {"created", short_time(status.created_unix_ms())},
      {"started", has_run ? short_time(status.started_unix_ms()) : ""},
      {"finished", status.finished_unix_ms() > 0 ? short_time(status.finished_unix_ms()) : ""},
      {"ran", has_run ? elapsed(status.started_unix_ms(), status.finished_unix_ms()) : ""},
      {"due", status.due_unix_ms() > 0 ? short_time(status.due_unix_ms()) : ""},
      {"progress", status.progress_ppm() > 0
                       ? std::to_string(status.progress_ppm() / 10'000) + "%" +
                             (status.progress_message().empty() ? "" : "  ") + status.progress_message()
                       : ""},
      {"payload", spec.payload().empty() ? "" : byte_count(spec.payload().size()) + " " + spec.content_type()},
      {"result", status.has_result() ? byte_count(task.result().payload().size()) + " " + task.result().content_type() +
                                           "  (hivectl task result " + to_string(task_id{task.id()}) + ")"
                                     : ""},
      {"logs", status.log_bytes() > 0
                   ? byte_count(status.log_bytes()) + (status.log_truncated() ? " (truncated)" : "") +
                         "  (hivectl task logs " + to_string(task_id{task.id()}) + ")"
                   : ""},
  });
}

table task_table(const google::protobuf::RepeatedPtrField<v1::Task>& tasks) {
  table rows{{"ID", "STATE", "TYPE", "TITLE", "TRY", "PRIORITY", "AGE", "REASON"}, {}};
  for (const v1::Task& task : tasks) {
    const std::string title = task.step_name().empty() ? task.spec().title() : task.step_name();
    rows.rows.push_back({to_string(task_id{task.id()}), name_of(task.status().state()), task.spec().type(), title,
                         std::to_string(task.status().attempt()), std::to_string(task.spec().priority()),
                         elapsed(task.status().created_unix_ms()), name_of(task.status().reason())});
  }
  return rows;
}

/// Does `change` to each id; prints a line each, with the state or the word `done`, and answers the status of the last
/// failure.
template <class Change>
int change_each(session& context, const std::vector<std::string>& ids, Change change, const std::string& done = {}) {
  int status = 0;
  for (const std::string& text : ids) {
    const auto id = parse_task_id(text);
    if (!id) {
      status = fail(context, id.failure());
      continue;
    }
    const auto connection = context.connection();
    if (!connection) return context.failed_status;
    const result<task_change> changed = change(*connection, *id);
    if (!changed) {
      status = fail(context, changed.failure());
    } else if (context.out.is_table()) {
      const std::string word = done.empty() ? name_of(changed->state) : done;
      context.out.print_line(to_string(*id) + "  " + context.out.colored_state(word));
    } else {
      v1::TaskResultItem item;
      item.set_task_id(id->value);
      item.set_state(changed->state);
      item.set_attempt(static_cast<std::uint32_t>(changed->attempt.value));
      context.out.print(item);
    }
  }
  return status;
}

result<v1::ListTasksRequest> make_list_request(const list_tasks_options& options) {
  v1::ListTasksRequest request;
  for (const std::string& given : options.states) {
    std::string name = given;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::toupper(letter); });
    if (name == "PENDING") {
      for (const auto state : {v1::TASK_STATE_SCHEDULED, v1::TASK_STATE_BLOCKED, v1::TASK_STATE_QUEUED})
        request.add_states(state);
      continue;
    }
    v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
    if (!v1::TaskState_Parse("TASK_STATE_" + name, &state) || state == v1::TASK_STATE_UNSPECIFIED) {
      return error{errc::invalid_argument,
                   "there is no state '" + given +
                       "'; there are pending, scheduled, blocked, queued, leased, running, completed, "
                       "failed, canceled, skipped",
                   "--state"};
    }
    request.add_states(state);
  }
  for (const std::string& text : options.labels) {
    const auto label = parse_label(text, "--label");
    if (!label) return label.failure();
    *request.add_labels() = *label;
  }
  if (!options.plan.empty()) {
    const auto id = parse_plan_id(options.plan, "--plan");
    if (!id) return id.failure();
    request.set_plan_id(id->value);
  }
  request.set_type(options.type);
  request.set_newest_first(options.is_newest_first);
  return request;
}

}  // namespace

result<v1::TaskSpec> make_spec(const create_task_options& options) {
  v1::TaskSpec spec;
  if (options.command.empty() == options.type.empty()) {
    return error{errc::invalid_argument, "give either --type TYPE, or a command after -- (type process)", "--type"};
  }
  spec.set_type(options.type.empty() ? "process" : options.type);
  spec.set_title(options.title.empty() ? title_of(options.command) : options.title);
  spec.set_priority(options.priority);
  spec.set_content_type(options.content_type);
  spec.set_idempotency_key(options.key);
  if (!options.command.empty()) {
    if (!options.payload.empty())
      return error{errc::invalid_argument, "a command after -- makes the payload itself", "--payload"};
    spec.set_payload(
        nlohmann::json{{"argv", options.command}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    auto payload = read_payload(options.payload);
    if (!payload) return payload.failure();
    spec.set_payload(std::move(*payload));
  }
  for (const std::string& name : options.capabilities) spec.add_required_capabilities(name);
  for (const std::string& text : options.labels) {
    const auto label = parse_label(text, "--label");
    if (!label) return label.failure();
    *spec.add_labels() = *label;
  }
  for (const std::string& text : options.worker_labels) {
    const auto label = parse_label(text, "--worker-label");
    if (!label) return label.failure();
    *spec.add_worker_selector() = *label;
  }
  if (const auto durations = set_durations(options, spec); !durations) return durations.failure();
  return spec;
}

int create_task(session& context, const create_task_options& options) {
  auto spec = make_spec(options);
  if (!spec) return fail(context, spec.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto created = connection->create_task(std::move(*spec));
  if (!created) return fail(context, created.failure());
  if (!options.is_waiting && !options.is_watching) {
    v1::TaskResultItem item;
    item.set_task_id(created->id.value);
    item.set_state(created->state);
    item.set_is_replay(created->is_replay);
    if (context.out.is_table()) {
      context.out.print_line(to_string(created->id) + "  " + context.out.colored_state(name_of(created->state)) +
                             (created->is_replay ? "  (the key was known: nothing new)" : ""));
    } else {
      context.out.print(item);
    }
    return 0;
  }
  const auto task = watch_task(*connection, created->id, 0, options.is_watching);
  if (!task) return fail(context, task.failure());
  print_task(context, *task);
  return status_of(*task);
}

int get_task(session& context, const std::string& text) {
  const auto id = parse_task_id(text);
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto task = connection->get_task(*id);
  if (!task) return fail(context, task.failure());
  print_task(context, *task);
  return 0;
}

int list_tasks(session& context, const list_tasks_options& options) {
  auto request = make_list_request(options);
  if (!request) return fail(context, request.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  if (!options.worker.empty()) {
    const auto worker = find_worker_id(*connection, options.worker);
    if (!worker) return fail(context, worker.failure());
    request->set_worker_id(worker->value);
  }
  constexpr std::uint32_t page_max = 1000;
  v1::ListTasksResponse all;
  while (static_cast<std::uint32_t>(all.tasks_size()) < options.limit) {
    request->set_limit(std::min(page_max, options.limit - static_cast<std::uint32_t>(all.tasks_size())));
    const auto page = connection->list_tasks(*request);
    if (!page) return fail(context, page.failure());
    all.mutable_tasks()->MergeFrom(page->tasks());
    all.set_next_page_token(page->next_page_token());
    if (page->next_page_token().empty()) break;
    request->set_page_token(page->next_page_token());
  }
  if (!context.out.is_table()) {
    context.out.print(all);
    return 0;
  }
  context.out.print(task_table(all.tasks()));
  if (!all.next_page_token().empty())
    std::cerr << "there are more: raise --limit (now " << options.limit << "), or see the last ones with --newest\n";
  return 0;
}

int cancel_tasks(session& context, const std::vector<std::string>& ids, const std::string& message,
                 const std::string& grace) {
  const auto grace_ms = parse_duration_option(grace, "--grace");
  if (!grace_ms) return fail(context, grace_ms.failure());
  return change_each(context, ids, [&](client& connection, task_id id) {
    return connection.cancel_task(id, message, milliseconds{*grace_ms});
  });
}

int retry_tasks(session& context, const std::vector<std::string>& ids) {
  return change_each(context, ids, [](client& connection, task_id id) { return connection.retry_task(id); });
}

int purge_tasks(session& context, const std::vector<std::string>& ids) {
  return change_each(
      context, ids, [](client& connection, task_id id) { return connection.purge_task(id); }, "purged");
}

int print_result(session& context, const std::string& text, bool is_stdout_only) {
  const auto id = parse_task_id(text);
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto task = connection->get_task(*id, {false, true});
  if (!task) return fail(context, task.failure());
  if (!task->status().has_result()) {
    return fail(
        context,
        {errc::failed_precondition, text + " is " + name_of(task->status().state()) + " and has no result", {}});
  }
  const v1::TaskResult& found = task->result();
  const std::string bytes =
      is_stdout_only ? executor::make_input({}, found.payload(), found.content_type()).bytes : found.payload();
  std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (::isatty(STDOUT_FILENO) == 1 && !bytes.empty() && bytes.back() != '\n') std::cout << '\n';
  std::cout << std::flush;
  return 0;
}

int print_logs(session& context, const task_logs_options& options) {
  const auto id = parse_task_id(options.id);
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  std::uint64_t offset = 0;
  for (;;) {
    const auto page = connection->get_task_logs(*id, offset);
    if (!page) return fail(context, page.failure());
    for (const v1::TaskLogChunk& chunk : page->chunks()) {
      const bool is_stderr = chunk.stream() == v1::TaskLogChunk::STREAM_STDERR;
      if (is_stderr ? options.is_stdout_only : options.is_stderr_only) continue;
      std::ostream& to = is_stderr ? std::cerr : std::cout;
      to.write(chunk.data().data(), static_cast<std::streamsize>(chunk.data().size()));
      to.flush();
      if (!std::cout) return 0;  // nobody can read it; main says why
    }
    const bool is_moving = page->next_offset() > offset;
    offset = page->next_offset();
    if (is_moving) continue;
    if (page->is_final() || !options.is_following) {
      if (page->is_truncated()) std::cerr << "[the task wrote more than the node keeps]\n";
      return 0;
    }
    std::this_thread::sleep_for(log_poll_interval);
  }
}

int wait_tasks(session& context, const wait_tasks_options& options) {
  const auto limit_ms = parse_duration_option(options.limit, "--for");
  if (!limit_ms) return fail(context, limit_ms.failure());
  int status = 0;
  for (const std::string& text : options.ids) {
    const auto id = parse_task_id(text);
    if (!id) return fail(context, id.failure());
    const auto connection = context.connection();
    if (!connection) return context.failed_status;
    const auto task = watch_task(*connection, *id, *limit_ms, options.is_watching);
    if (!task) return fail(context, task.failure());
    print_task(context, *task);
    status = std::max(status, status_of(*task));
  }
  return status;
}

int explain_task(session& context, const std::string& text) {
  const auto id = parse_task_id(text);
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto why = connection->explain_task(*id);
  if (!why) return fail(context, why.failure());
  if (!context.out.is_table()) {
    context.out.print(*why);
    return 0;
  }
  context.out.print_line(to_string(*id) + " is " + context.out.colored_state(name_of(why->state())) + ": " +
                         why->summary());
  for (const std::string& detail : why->details()) context.out.print_line("  - " + detail);
  if (why->due_unix_ms() > 0) context.out.print_line("  - until " + short_time(why->due_unix_ms()));
  return 0;
}

}  // namespace hive::hivectl
