#include <clocale>
#include <cstdlib>
#include <iostream>

#include "apps/hivectl/session.hpp"

namespace {

constexpr const char* about =
    "hivectl talks to a hive node: it creates and follows tasks, runs plans, shows workers and events.";

constexpr const char* footer =
    "Begin with:\n"
    "  hivectl status                                        is the node there, and what does it do?\n"
    "  hivectl task create --watch -- echo hello             run a program on a worker\n"
    "  hivectl plan submit --watch plan.yaml                 run a graph of tasks\n"
    "  hivectl task explain ID                               why does it not run?\n"
    "\n"
    "Environment: HIVE_ENDPOINT (as --endpoint), HIVE_CONFIG (a hive.toml), NO_COLOR.\n"
    "\n"
    "Exit status: 0 done; 2 wrong usage; 3 what was waited for did not complete; 11 invalid_argument; 12 not_found;\n"
    "13 already_exists; 14 failed_precondition; 15 resource_exhausted; 16 unavailable; 17 not_leader;\n"
    "18 deadline_exceeded; 19 permission_denied; 20 data_loss; 21 internal.";

}  // namespace

namespace {

int run(int argc, char** argv) {
  std::setlocale(LC_TIME, "C");
  hive::hivectl::session context;
  CLI::App app{about, "hivectl"};
  app.footer(footer);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.add_option("--endpoint", context.endpoint,
                 "HOST:PORT of the node (default: HIVE_ENDPOINT, hive.toml, 127.0.0.1:7117)");
  app.add_option("--timeout", context.timeout, "Longest time of a call with its retries, e.g. 10s (default 60s)");
  app.add_option("-o,--output", context.format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();

  hive::hivectl::add_task_commands(app, context);
  hive::hivectl::add_plan_commands(app, context);
  hive::hivectl::add_worker_commands(app, context);
  hive::hivectl::add_event_commands(app, context);
  hive::hivectl::add_node_commands(app, context, HIVE_VERSION);
  hive::hivectl::add_completion_command(app, context);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    const int status = app.exit(problem);
    return status == 0 ? 0 : hive::hivectl::exit_usage;
  }
  context.out.set_format(context.format);
  try {
    return context.action ? context.action() : hive::hivectl::exit_usage;
  } catch (const std::exception& problem) {
    return hive::hivectl::fail(context, {hive::errc::internal, problem.what(), {}});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int status = run(argc, argv);
  std::cout << std::flush;
  std::cerr << std::flush;
  // The SDK's threads live as long as the process: nothing global may be destroyed under them.
  std::_Exit(status);
}
