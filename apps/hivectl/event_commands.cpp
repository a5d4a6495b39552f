#include <iostream>

#include "apps/hivectl/message_json.hpp"
#include "apps/hivectl/session.hpp"

namespace hive::hivectl {
namespace {

constexpr milliseconds poll_interval{60'000};
constexpr std::uint32_t read_page = 1000;

struct tail_options {
  std::vector<std::string> names;
  std::vector<std::string> tasks;
  std::vector<std::string> plans;
  std::vector<std::string> workers;
  std::vector<std::string> types;
  std::uint64_t after = 0;
  bool is_from_start = false;
  bool is_ending = false;
  std::uint64_t limit = 0;
};

struct publish_options {
  std::string name;
  std::string task;
  std::string plan;
  std::string message;
  std::string data;
};

result<v1::EventFilter> make_filter(const tail_options& options) {
  v1::EventFilter filter;
  for (const std::string& name : options.names) filter.add_names(name);
  for (const std::string& type : options.types) filter.add_task_types(type);
  for (const std::string& text : options.tasks) {
    const auto id = parse_task_id(text, "--task");
    if (!id) return id.failure();
    filter.add_task_ids(id->value);
  }
  for (const std::string& text : options.plans) {
    const auto id = parse_plan_id(text, "--plan");
    if (!id) return id.failure();
    filter.add_plan_ids(id->value);
  }
  return filter;
}

std::string describe(const v1::Event& event) {
  if (event.has_task()) {
    const v1::TaskEvent& task = event.task();
    std::string line = task.name() + "  " + to_string(task_id{task.task_id()});
    if (!task.type().empty()) line += "  type=" + task.type();
    if (task.attempt() > 0) line += "  attempt=" + std::to_string(task.attempt());
    if (task.worker_id() > 0) line += "  " + to_string(worker_id{task.worker_id()});
    if (task.plan_id() > 0)
      line += "  plan=" + to_string(task_id{task.plan_id()}) + "#" + std::to_string(task.step_index());
    if (task.reason() != v1::REASON_UNSPECIFIED) line += "  " + name_of(task.reason());
    return task.message().empty() ? line : line + "  " + task.message();
  }
  if (event.has_workflow()) {
    const v1::WorkflowEvent& plan = event.workflow();
    const std::string line = plan.name() + "  " + to_string(task_id{plan.plan_id()}) + "  " + plan.plan_name();
    return plan.message().empty() ? line : line + "  " + plan.message();
  }
  const v1::WorkerEvent& worker = event.worker();
  return worker.name() + "  " + to_string(worker_id{worker.worker_id()}) + "  " + worker.worker_name();
}

/// A line an event: for people, or one JSON object (also for yaml, as a document each).
void print_event(const session& context, const v1::Event& event) {
  if (context.format == "json") {
    std::cout << to_json(event).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else if (context.format == "yaml") {
    std::cout << "---\n" << to_yaml(to_json(event));
  } else {
    std::string line;
    for (const char letter : describe(event)) line += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
    std::cout << event.seq() << "  " << short_time(event.time_unix_ms()) << "  " << line << "\n";
  }
  std::cout << std::flush;
}

/// What is there up to now, page by page.
int read_all(session& context, client& connection, const tail_options& options, const v1::EventFilter& filter) {
  std::uint64_t printed = 0;
  v1::ReadEventsRequest request;
  *request.mutable_filter() = filter;
  request.set_after_seq(options.after);
  request.set_limit(read_page);
  for (;;) {
    const auto page = connection.read_events(request);
    if (!page) return fail(context, page.failure());
    for (const v1::Event& event : page->events()) {
      print_event(context, event);
      if (++printed == options.limit || !std::cout) return 0;
    }
    if (page->cursor() >= page->last_seq() || page->cursor() == request.after_seq()) return 0;
    request.set_after_seq(page->cursor());
  }
}

int tail(session& context, const tail_options& options) {
  auto filter = make_filter(options);
  if (!filter) return fail(context, filter.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  for (const std::string& text : options.workers) {
    const auto worker = find_worker_id(*connection, text);
    if (!worker) return fail(context, worker.failure());
    filter->add_worker_ids(worker->value);
  }
  if (options.is_ending) return read_all(context, *connection, options, *filter);

  subscribe_options wanted;
  wanted.filter = *filter;
  if (options.is_from_start || options.after > 0) wanted.after = event_seq{options.after};
  auto subscribed = connection->subscribe(wanted);
  if (!subscribed) return fail(context, subscribed.failure());
  for (std::uint64_t printed = 0; options.limit == 0 || printed < options.limit;) {
    const auto event = subscribed->next(poll_interval);
    if (event) {
      print_event(context, *event);
      ++printed;
      if (!std::cout) return 0;  // nobody can read it; main says why
    } else if (event.failure().code != errc::deadline_exceeded) {
      return fail(context, event.failure());
    }
  }
  return 0;
}

int publish(session& context, const publish_options& options) {
  if (options.task.empty() == options.plan.empty()) {
    return fail_usage("give either --task or --plan", "hivectl events publish custom.name --task ID --message TEXT");
  }
  v1::TaskEvent task;
  v1::WorkflowEvent plan;
  const auto id = options.task.empty() ? parse_plan_id(options.plan, "--plan") : parse_task_id(options.task, "--task");
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  result<event_seq> published = error{};
  if (options.task.empty()) {
    plan.set_name(options.name);
    plan.set_plan_id(id->value);
    plan.set_message(options.message);
    plan.set_data(options.data);
    published = connection->publish(plan);
  } else {
    task.set_name(options.name);
    task.set_task_id(id->value);
    task.set_message(options.message);
    task.set_data(options.data);
    published = connection->publish(task);
  }
  if (!published) return fail(context, published.failure());
  if (context.out.is_table()) {
    context.out.print_line("event " + std::to_string(published->value));
  } else {
    v1::PublishResultItem item;
    item.set_seq(published->value);
    context.out.print(item);
  }
  return 0;
}

}  // namespace

void add_event_commands(CLI::App& app, session& context) {
  auto* events = app.add_subcommand("events", "Follow and publish events.");
  events->require_subcommand(1);

  auto* tailing = events->add_subcommand("tail", "Print events as they happen, one a line, until Ctrl-C.");
  auto options = std::make_shared<tail_options>();
  tailing->add_option("--name", options->names, "Only these names; 'task.*' matches all that begin so; may be repeated")
      ->allow_extra_args(false);
  tailing->add_option("--task", options->tasks, "Only of this task")->allow_extra_args(false);
  tailing->add_option("--plan", options->plans, "Only of this plan and its steps")->allow_extra_args(false);
  tailing->add_option("--worker", options->workers, "Only of this worker (its id or name)")->allow_extra_args(false);
  tailing->add_option("--type", options->types, "Only of tasks of this type")->allow_extra_args(false);
  auto* after = tailing->add_option("--after", options->after, "Begin after this event number, then go on live");
  tailing->add_flag("--from-start", options->is_from_start, "Begin with the oldest event that is kept")
      ->excludes(after);
  tailing->add_flag("--no-follow", options->is_ending, "Print what is there (from --after or the start) and end");
  tailing->add_option("--limit", options->limit, "End after so many events");
  tailing->footer(
      "Examples:\n  hivectl events tail --name 'task.*' --type process\n"
      "  hivectl events tail --plan ID --no-follow -o json");
  tailing->callback([&context, options] { context.action = [&context, options] { return tail(context, *options); }; });

  auto* publishing = events->add_subcommand("publish", "Put an event of your own into the log; prints its number.");
  auto given = std::make_shared<publish_options>();
  publishing->add_option("name", given->name, "entity.past_tense, e.g. report.mailed")->required();
  publishing->add_option("--task", given->task, "Task that it is about (this or --plan)");
  publishing->add_option("--plan", given->plan, "Plan that it is about (this or --task)");
  publishing->add_option("--message", given->message, "Text for people");
  publishing->add_option("--data", given->data, "Bytes for programs, at most 64 KiB");
  publishing->callback([&context, given] { context.action = [&context, given] { return publish(context, *given); }; });
}

}  // namespace hive::hivectl
