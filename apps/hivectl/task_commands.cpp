#include "apps/hivectl/task_actions.hpp"

namespace hive::hivectl {
namespace {

void add_create(CLI::App& tasks, session& context) {
  auto* command = tasks.add_subcommand("create", "Create a task; prints its id.");
  auto options = std::make_shared<create_task_options>();
  command->add_option("--type", options->type, "Handler that executes it; not needed with a command");
  command->add_option("--title", options->title, "For people, at most 256 bytes (default: the command)");
  command->add_option("--payload", options->payload, "Text, @FILE, or - for the standard input");
  command->add_option("--content-type", options->content_type, "Of the payload (default application/json)");
  command->add_option("--priority", options->priority, "Higher goes first; first in, first out within one (default 0)");
  command->add_option("--require", options->capabilities, "Capability that the worker must have; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--label", options->labels, "KEY=VALUE, for filters; may be repeated")->allow_extra_args(false);
  command->add_option("--worker-label", options->worker_labels, "KEY=VALUE that the worker must have; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--delay", options->delay, "Not before this time has passed, e.g. 30s");
  command->add_option("--max-attempts", options->attempts_max, "Tries before it fails, 1..1000 (default 3)");
  command->add_option("--backoff", options->backoff, "Wait before the second try, e.g. 1s; doubles from then on");
  command->add_option("--queue-timeout", options->queue_timeout, "Fail if it waits longer for a worker");
  command->add_option("--run-timeout", options->run_timeout, "Fail an attempt that runs longer");
  command->add_option("--total-timeout", options->total_timeout, "Fail if it is not done this long after its creation");
  command->add_option("--key", options->key, "Idempotency key: the same key creates once");
  command->add_flag("--wait", options->is_waiting, "Wait for its end; status 3 if it did not complete");
  command->add_flag("--watch", options->is_watching, "The same with live progress");
  command->add_option("command", options->command, "Program and arguments, after -- (task type process)");
  command->footer(
      "Examples:\n  hivectl task create --watch -- sh -c 'echo hello'\n"
      "  hivectl task create --type resize --payload @job.json --require gpu --label team=web");
  command->callback(
      [&context, options] { context.action = [&context, options] { return create_task(context, *options); }; });
}

void add_list(CLI::App& tasks, session& context) {
  auto* command = tasks.add_subcommand("list", "List tasks, oldest first.");
  auto options = std::make_shared<list_tasks_options>();
  command
      ->add_option("--state", options->states,
                   "Only these: pending (scheduled, blocked or queued), leased, running, completed, failed, canceled, "
                   "skipped; separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--type", options->type, "Only this type");
  command->add_option("--label", options->labels, "KEY=VALUE; all must match")->allow_extra_args(false);
  command->add_option("--plan", options->plan, "Only steps of this plan");
  command->add_option("--worker", options->worker, "Only tasks that this worker holds now (its id or name)");
  command->add_option("--limit", options->limit, "At most so many (default 100)")->check(CLI::Range(1, 1'000'000));
  command->add_flag("--newest", options->is_newest_first, "Newest first");
  command->footer("Example:\n  hivectl task list --state failed,canceled --newest --limit 20");
  command->callback(
      [&context, options] { context.action = [&context, options] { return list_tasks(context, *options); }; });
}

using one_id_action = int (*)(session&, const std::string&);
using many_ids_action = int (*)(session&, const std::vector<std::string>&);

void add_for_one(CLI::App& tasks, session& context, const char* name, const char* about, one_id_action action) {
  auto* command = tasks.add_subcommand(name, about);
  auto id = std::make_shared<std::string>();
  command->add_option("id", *id, "Task, e.g. task-0000000000001")->required();
  command->callback(
      [&context, id, action] { context.action = [&context, id, action] { return action(context, *id); }; });
}

void add_for_many(CLI::App& tasks, session& context, const char* name, const char* about, many_ids_action action) {
  auto* command = tasks.add_subcommand(name, about);
  auto ids = std::make_shared<std::vector<std::string>>();
  command->add_option("ids", *ids, "Tasks")->required();
  command->callback(
      [&context, ids, action] { context.action = [&context, ids, action] { return action(context, *ids); }; });
}

void add_cancel(CLI::App& tasks, session& context) {
  auto* command =
      tasks.add_subcommand("cancel", "Cancel tasks: queued ones at once, running ones when their handler has stopped.");
  struct cancel_options {
    std::vector<std::string> ids;
    std::string message;
    std::string grace;
  };
  auto options = std::make_shared<cancel_options>();
  command->add_option("ids", options->ids, "Tasks")->required();
  command->add_option("--message", options->message, "Why, kept with the task");
  command->add_option("--grace", options->grace, "How long a handler may take to stop (default: the node's)");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return cancel_tasks(context, options->ids, options->message, options->grace);
    };
  });
}

void add_result(CLI::App& tasks, session& context) {
  auto* command = tasks.add_subcommand("result", "Print a task's result, byte for byte.");
  auto id = std::make_shared<std::string>();
  auto is_stdout_only = std::make_shared<bool>(false);
  command->add_option("id", *id, "Task")->required();
  command->add_flag("--stdout", *is_stdout_only, "Of a process task: only what it wrote to its standard output");
  command->callback([&context, id, is_stdout_only] {
    context.action = [&context, id, is_stdout_only] { return print_result(context, *id, *is_stdout_only); };
  });
}

void add_logs(CLI::App& tasks, session& context) {
  auto* command =
      tasks.add_subcommand("logs", "Print what a task wrote while it ran: its stdout to stdout, its stderr to stderr.");
  auto options = std::make_shared<task_logs_options>();
  command->add_option("id", options->id, "Task")->required();
  command->add_flag("-f,--follow", options->is_following, "Go on until the task has ended");
  auto* only_stdout = command->add_flag("--only-stdout", options->is_stdout_only, "Leave stderr out");
  command->add_flag("--only-stderr", options->is_stderr_only, "Leave stdout out")->excludes(only_stdout);
  command->callback(
      [&context, options] { context.action = [&context, options] { return print_logs(context, *options); }; });
}

void add_wait(CLI::App& tasks, session& context) {
  auto* command = tasks.add_subcommand("wait", "Wait until tasks have ended; status 3 if one did not complete.");
  auto options = std::make_shared<wait_tasks_options>();
  command->add_option("ids", options->ids, "Tasks")->required();
  command->add_option("--for", options->limit, "Give up after this time, each (default: never)");
  command->add_flag("--watch", options->is_watching, "Live progress on stderr");
  command->callback(
      [&context, options] { context.action = [&context, options] { return wait_tasks(context, *options); }; });
}

}  // namespace

void add_task_commands(CLI::App& app, session& context) {
  auto* tasks = app.add_subcommand("task", "Create, find, follow and change tasks.");
  tasks->require_subcommand(1);
  add_create(*tasks, context);
  add_for_one(*tasks, context, "get", "Show one task.", get_task);
  add_list(*tasks, context);
  add_cancel(*tasks, context);
  add_for_many(*tasks, context, "retry", "Queue failed or canceled tasks again.", retry_tasks);
  add_result(*tasks, context);
  add_logs(*tasks, context);
  add_wait(*tasks, context);
  add_for_one(*tasks, context, "explain", "Say why a task is not running yet, from live state.", explain_task);
  add_for_many(*tasks, context, "purge", "Remove final tasks before their retention ends.", purge_tasks);
}

}  // namespace hive::hivectl
