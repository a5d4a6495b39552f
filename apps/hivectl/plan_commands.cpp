#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "apps/hivectl/progress.hpp"
#include "apps/plan_files/plan_files.hpp"

namespace hive::hivectl {
namespace {

constexpr std::uint32_t steps_page = 1000;

struct submit_options {
  std::string file;
  std::string from = "hive";
  double time_scale = 1.0;
  std::string parent;
  std::string title;
  std::string key;
  bool is_waiting = false;
  bool is_watching = false;
};

result<v1::PlanDocument> read_document(const submit_options& options) {
  if (options.from == "wfformat") return plan_files::read_wfformat_file(options.file, {options.time_scale});
  return plan_files::read_plan_file(options.file);
}

int status_of(const v1::Plan& plan) {
  return plan.status().state() == v1::PLAN_STATE_COMPLETED ? 0 : exit_not_completed;
}

void print_plan(const session& context, const v1::Plan& plan) {
  if (!context.out.is_table()) {
    context.out.print(plan);
    return;
  }
  std::string path;
  for (const std::string& step : plan.critical_path()) path += (path.empty() ? "" : " -> ") + step;
  constexpr std::size_t path_bytes_max = 300;
  if (path.size() > path_bytes_max) path = path.substr(0, path_bytes_max) + " ...";
  const v1::PlanStatus& status = plan.status();
  context.out.print_fields(
      {{"id", to_string(task_id{plan.id()})},
       {"name", plan.spec().name()},
       {"state", name_of(status.state())},
       {"reason", status.reason_text()},
       {"steps", describe_counts(plan)},
       {"policy", plan.spec().failure_policy() == v1::FAILURE_POLICY_CONTINUE ? "continue" : "fail_fast"},
       {"created", short_time(status.created_unix_ms())},
       {"finished", status.finished_unix_ms() > 0 ? short_time(status.finished_unix_ms()) : ""},
       {"took", elapsed(status.created_unix_ms(), status.finished_unix_ms())},
       {"critical path", status.critical_path_ms() > 0 || !path.empty()
                             ? plan_files::format_duration_ms(status.critical_path_ms()) + "  " + path
                             : ""}});
}

/// Parses the plan's id, connects and calls `body(connection, id)`.
template <class Body>
int with_plan(session& context, const std::string& text, Body body) {
  const auto id = parse_plan_id(text);
  if (!id) return fail(context, id.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  return body(*connection, *id);
}

int watch_and_print(session& context, client& connection, plan_id id, bool is_shown) {
  const auto plan = watch_plan(connection, id, 0, is_shown);
  if (!plan) return fail(context, plan.failure());
  print_plan(context, *plan);
  return status_of(*plan);
}

int submit(session& context, const submit_options& options) {
  auto document = read_document(options);
  if (!document) return fail(context, document.failure());
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  result<v1::CreatePlanResponse> created = error{};
  if (options.parent.empty()) {
    plan_options plan;
    plan.parent_spec.set_title(options.title);
    plan.idempotency_key = options.key;
    created = connection->submit_plan(std::move(*document), std::move(plan));
  } else {
    const auto parent = parse_task_id(options.parent, "--parent");
    if (!parent) return fail(context, parent.failure());
    created = connection->create_planned_subtasks_from_plan(*parent, std::move(*document), options.key);
  }
  if (!created) return fail(context, created.failure());
  const plan_id id{created->plan_id()};
  if (options.is_watching || options.is_waiting) return watch_and_print(context, *connection, id, options.is_watching);
  if (context.out.is_table()) {
    context.out.print_line(to_string(id) + "  " + std::to_string(created->step_count()) + " steps" +
                           (created->is_replay() ? "  (the key was known: nothing new)" : ""));
    std::cerr << "follow it: hivectl plan status --watch " << to_string(id) << "\n";
  } else {
    context.out.print(*created);
  }
  return 0;
}

/// All steps, page by page.
result<std::vector<v1::StepView>> read_steps(client& connection, plan_id id) {
  std::vector<v1::StepView> steps;
  std::uint32_t offset = 0;
  do {
    const auto page = connection.get_execution_plan_status(id, true, offset, steps_page);
    if (!page) return page.failure();
    steps.insert(steps.end(), page->steps().begin(), page->steps().end());
    offset = page->next_steps_offset();
  } while (offset != 0);
  return steps;
}

int show_status(session& context, const std::string& text, bool with_steps, bool is_watching) {
  return with_plan(context, text, [&](client& connection, plan_id id) {
    if (is_watching) return watch_and_print(context, connection, id, true);
    auto status = connection.get_execution_plan_status(id, false);
    if (!status) return fail(context, status.failure());
    if (!with_steps) {
      print_plan(context, status->plan());
      return 0;
    }
    const auto steps = read_steps(connection, id);
    if (!steps) return fail(context, steps.failure());
    if (!context.out.is_table()) {
      status->mutable_steps()->Assign(steps->begin(), steps->end());
      context.out.print(*status);
      return 0;
    }
    print_plan(context, status->plan());
    table rows{{"STEP", "STATE", "TASK", "TRY", "RAN", "WAITS FOR", "REASON"}, {}};
    for (const v1::StepView& step : *steps) {
      rows.rows.push_back({step.name(), name_of(step.state()), to_string(task_id{step.task_id()}),
                           std::to_string(step.attempt()), elapsed(step.started_unix_ms(), step.finished_unix_ms()),
                           step.unmet_needs() > 0
                               ? std::to_string(step.unmet_needs()) + (step.unmet_needs() == 1 ? " step" : " steps")
                               : "",
                           step.reason_text().empty() ? name_of(step.reason()) : step.reason_text()});
    }
    context.out.print_line("");
    context.out.print(rows);
    return 0;
  });
}

int list_plans(session& context, const std::vector<std::string>& states, std::uint32_t limit) {
  v1::ListPlansRequest request;
  for (const std::string& given : states) {
    std::string name = given;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) { return std::toupper(letter); });
    v1::PlanState state = v1::PLAN_STATE_UNSPECIFIED;
    if (!v1::PlanState_Parse("PLAN_STATE_" + name, &state) || state == v1::PLAN_STATE_UNSPECIFIED) {
      return fail(context, {errc::invalid_argument,
                            "there is no state '" + given +
                                "'; there are running, paused, failing, canceling, completed, failed, canceled",
                            "--state"});
    }
    request.add_states(state);
  }
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  constexpr std::uint32_t page_max = 1000;
  v1::ListPlansResponse all;
  while (static_cast<std::uint32_t>(all.plans_size()) < limit) {
    request.set_limit(std::min(page_max, limit - static_cast<std::uint32_t>(all.plans_size())));
    const auto page = connection->list_plans(request);
    if (!page) return fail(context, page.failure());
    all.mutable_plans()->MergeFrom(page->plans());
    all.set_next_before_id(page->next_before_id());
    if (page->next_before_id() == 0) break;
    request.set_before_id(page->next_before_id());
  }
  if (!context.out.is_table()) {
    context.out.print(all);
    return 0;
  }
  table rows{{"ID", "STATE", "NAME", "STEPS", "DONE", "FAILED", "TOOK", "CREATED"}, {}};
  for (const v1::Plan& plan : all.plans()) {
    const v1::PlanStatus& status = plan.status();
    rows.rows.push_back({to_string(task_id{plan.id()}), name_of(status.state()), plan.spec().name(),
                         std::to_string(plan.spec().step_count()), std::to_string(status.steps_completed()),
                         std::to_string(status.steps_failed()),
                         elapsed(status.created_unix_ms(), status.finished_unix_ms()),
                         short_time(status.created_unix_ms())});
  }
  context.out.print(rows);
  return 0;
}

int print_graph(const session& context, const std::string& format, const std::string& name,
                const std::vector<plan_files::graph_node>& nodes) {
  const std::string text = format == "mermaid" ? plan_files::to_mermaid(nodes) : plan_files::to_dot(name, nodes);
  std::cout << text << std::flush;
  return context.failed_status;
}

/// Of a plan that the node has (with the steps' states), or of a plan file.
int show_graph(session& context, const std::string& plan, const std::string& format, const submit_options& source) {
  if (std::filesystem::exists(plan) || plan == "-") {
    submit_options options = source;
    options.file = plan;
    const auto document = read_document(options);
    if (!document) return fail(context, document.failure());
    return print_graph(context, format, document->name(), plan_files::graph_of(*document));
  }
  return with_plan(context, plan, [&](client& connection, plan_id id) {
    const auto status = connection.get_execution_plan_status(id, false);
    if (!status) return fail(context, status.failure());
    const auto steps = read_steps(connection, id);
    if (!steps) return fail(context, steps.failure());
    std::vector<plan_files::graph_node> nodes;
    for (const v1::StepView& step : *steps) {
      nodes.push_back({step.name(), {step.needs().begin(), step.needs().end()}, step.state()});
    }
    return print_graph(context, format, status->plan().spec().name(), nodes);
  });
}

using plan_change = result<v1::PlanState> (client::*)(plan_id, std::string);

void add_change(CLI::App& plans, session& context, const char* name, const char* about, plan_change change) {
  auto* command = plans.add_subcommand(name, about);
  auto id = std::make_shared<std::string>();
  auto message = std::make_shared<std::string>();
  command->add_option("id", *id, "Plan, e.g. task-0000000000001 or plan-0000000000001")->required();
  command->add_option("--message", *message, "Why, kept with the plan");
  command->callback([&context, id, message, change] {
    context.action = [&context, id, message, change] {
      return with_plan(context, *id, [&](client& connection, plan_id plan) {
        const auto state = (connection.*change)(plan, *message);
        if (!state) return fail(context, state.failure());
        if (context.out.is_table()) {
          context.out.print_line(to_string(plan) + "  " + context.out.colored_state(name_of(*state)));
        } else {
          v1::Plan changed;
          changed.set_id(plan.value);
          changed.mutable_status()->set_state(*state);
          context.out.print(changed);
        }
        return 0;
      });
    };
  });
}

void add_source_options(CLI::App& command, submit_options& options) {
  command.add_option("--from", options.from, "Format of the file: hive (YAML or JSON) or wfformat (WfFormat 1.5)")
      ->check(CLI::IsMember({"hive", "wfformat"}));
  command.add_option("--time-scale", options.time_scale,
                     "wfformat: each step sleeps its recorded run time times this (default 1)");
}

void add_submit(CLI::App& plans, session& context) {
  auto* command = plans.add_subcommand("submit", "Run a plan file; prints the plan's id.");
  auto options = std::make_shared<submit_options>();
  command->add_option("file", options->file, "Plan in YAML or JSON, or - for the standard input")->required();
  add_source_options(*command, *options);
  command->add_option("--parent", options->parent, "Make this task the plan's parent instead of a new one");
  command->add_option("--title", options->title, "Of the new parent task");
  command->add_option("--key", options->key, "Idempotency key: the same key submits once");
  command->add_flag("--wait", options->is_waiting, "Wait for its end; status 3 if it did not complete");
  command->add_flag("--watch", options->is_watching, "The same with live progress");
  command->footer(
      "Examples:\n  hivectl plan submit --watch examples/plans/text_map_reduce.yaml\n"
      "  hivectl plan submit --from wfformat --time-scale 0.001 montage.json");
  command->callback(
      [&context, options] { context.action = [&context, options] { return submit(context, *options); }; });
}

void add_status(CLI::App& plans, session& context) {
  auto* command = plans.add_subcommand("status", "Show a plan, its counts and its critical path so far.");
  struct status_options {
    std::string id;
    bool with_steps = false;
    bool is_watching = false;
  };
  auto options = std::make_shared<status_options>();
  command->add_option("id", options->id, "Plan")->required();
  command->add_flag("--steps", options->with_steps, "Every step with its state");
  command->add_flag("--watch", options->is_watching, "Live until it ends; status 3 if it did not complete");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return show_status(context, options->id, options->with_steps, options->is_watching);
    };
  });
}

void add_list(CLI::App& plans, session& context) {
  auto* command = plans.add_subcommand("list", "List plans, newest first.");
  auto states = std::make_shared<std::vector<std::string>>();
  auto limit = std::make_shared<std::uint32_t>(100);
  command
      ->add_option("--state", *states,
                   "Only these: running, paused, failing, canceling, completed, failed, canceled; separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--limit", *limit, "At most so many (default 100)")->check(CLI::Range(1, 1'000'000));
  command->callback([&context, states, limit] {
    context.action = [&context, states, limit] { return list_plans(context, *states, *limit); };
  });
}

void add_graph(CLI::App& plans, session& context) {
  auto* command = plans.add_subcommand("graph", "Print a plan's graph, of the node with states or of a file.");
  auto plan = std::make_shared<std::string>();
  auto format = std::make_shared<std::string>("dot");
  auto source = std::make_shared<submit_options>();
  command->add_option("plan", *plan, "Plan id, or a plan file")->required();
  command->add_option("-o,--output", *format, "dot (Graphviz) or mermaid")->check(CLI::IsMember({"dot", "mermaid"}));
  add_source_options(*command, *source);
  command->footer("Example:\n  hivectl plan graph ID -o dot | dot -Tsvg > plan.svg");
  command->callback([&context, plan, format, source] {
    context.action = [&context, plan, format, source] { return show_graph(context, *plan, *format, *source); };
  });
}

}  // namespace

void add_plan_commands(CLI::App& app, session& context) {
  auto* plans = app.add_subcommand("plan", "Submit, follow and change plans.");
  plans->require_subcommand(1);
  add_submit(*plans, context);
  add_status(*plans, context);
  add_list(*plans, context);
  add_graph(*plans, context);
  add_change(*plans, context, "cancel", "Cancel a plan: running steps are asked to stop.", &client::cancel_plan);
  add_change(*plans, context, "pause", "Start no further step; running ones end.", &client::pause_plan);
  add_change(*plans, context, "resume", "Go on with a paused plan.", &client::resume_plan);
  add_change(*plans, context, "retry",
             "Run the failed steps of a failed or canceled plan again; completed ones keep their results.",
             &client::retry_plan);
}

}  // namespace hive::hivectl
