#include <clocale>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "apps/hivectl/session.hpp"
#include "apps/hivectl/standard_output.hpp"
#include "base/nearest_name.hpp"
#include "base/utf8.hpp"

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
    "Environment: HIVE_ENDPOINT (as --endpoint), HIVE_CONFIG (a hive.toml), NO_COLOR; for a node with TLS\n"
    "HIVE_CLIENT_TLS_CERTIFICATE, HIVE_CLIENT_TLS_KEY, HIVE_CLIENT_TLS_AUTHORITY.\n"
    "\n"
    "Exit status: 0 done; 2 wrong usage; 3 what was waited for did not complete; 4 done, but the output could not be\n"
    "written; 11 invalid_argument; 12 not_found; 13 already_exists; 14 failed_precondition; 15 resource_exhausted;\n"
    "16 unavailable; 17 not_leader; 18 deadline_exceeded; 19 permission_denied; 20 data_loss; 21 internal.";

constexpr const char* leaf_footer =
    "Every command also takes --endpoint HOST:PORT[,HOST:PORT...], --timeout TIME, --linearizable and -o "
    "table|json|yaml.\n"
    "hivectl --help tells the exit statuses.";

/// Each command ends its help with what is its own; the root's footer is not repeated. What talks to no node takes no
/// endpoint.
void set_footers(CLI::App& command) {
  if (command.get_name() == "tls" || command.get_name() == "restore" || command.get_name() == "recover") return;
  for (CLI::App* inner : command.get_subcommands({})) set_footers(*inner);
  const bool is_leaf = command.get_subcommands({}).empty();
  const std::string own = command.get_footer();
  const bool takes_output = command.get_option_no_throw("--output") == nullptr;
  if (is_leaf && takes_output) command.footer(own.empty() ? leaf_footer : own + "\n\n" + leaf_footer);
}

/// Names a word that stands where a command is expected and is none; empty if there is no such word.
std::string describe_unknown_command(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App* group = &root;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.starts_with("-")) {
      const CLI::Option* option = root.get_option_no_throw(word);
      if (option != nullptr && option->get_items_expected_max() > 0) ++i;  // its value follows
      continue;
    }
    std::vector<std::string> known;
    const CLI::App* found = nullptr;
    for (const CLI::App* command : group->get_subcommands({})) {
      known.push_back(command->get_name());
      if (command->get_name() == word) found = command;
    }
    if (known.empty()) return {};
    if (found == nullptr) {
      const std::string near = hive::did_you_mean(word, known);
      std::string list;
      for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
      return "there is no command '" + word + "'" + (near.empty() ? "; there are " + list : near);
    }
    group = found;
  }
  return {};
}

/// "error: ..." and where to read on, as for failures of other kinds.
std::string describe_usage_failure(const CLI::App* app, const CLI::Error& problem) {
  std::string path = "hivectl";
  for (const auto* inner = app; !inner->get_subcommands().empty();) {
    inner = inner->get_subcommands().front();
    path += " " + inner->get_name();
  }
  return std::string{"error: "} + problem.what() + "\nnext:  " + path + " --help\n";
}

int run(int argc, char** argv) {
  if (const int at = hive::find_argument_not_utf8(argc, argv); at > 0)
    return hive::hivectl::fail_usage("argument " + std::to_string(at) + " is not UTF-8 text", {});
  std::setlocale(LC_TIME, "C");
  hive::hivectl::session context;
  CLI::App app{about, "hivectl"};
  app.require_subcommand(1);
  app.fallthrough();
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.add_option("--endpoint", context.endpoint,
                 "HOST:PORT of the node, or of several of a cluster: A:7117,B:7117 (default: HIVE_ENDPOINT, hive.toml, "
                 "127.0.0.1:7117)");
  app.add_flag("--linearizable", context.is_linearizable,
               "Show everything that was acknowledged to anyone before, at the price of one more round trip");
  app.add_option("--timeout", context.timeout, "Longest time of a call with its retries, e.g. 10s (default 60s)");
  app.add_option("-o,--output", context.format, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();

  hive::hivectl::add_task_commands(app, context);
  hive::hivectl::add_plan_commands(app, context);
  hive::hivectl::add_worker_commands(app, context);
  hive::hivectl::add_event_commands(app, context);
  hive::hivectl::add_node_commands(app, context, HIVE_VERSION);
  hive::hivectl::add_cluster_commands(app, context);
  hive::hivectl::add_backup_commands(app, context);
  hive::hivectl::add_tls_commands(app, context);
  hive::hivectl::add_completion_command(app, context);

  set_footers(app);
  app.footer(footer);
  app.failure_message(describe_usage_failure);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() != 0) {
      const std::string unknown = describe_unknown_command(app, {argv + 1, argv + argc});
      if (!unknown.empty()) return hive::hivectl::fail_usage(unknown, "hivectl --help");
    }
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
  hive::hivectl::hold_standard_descriptors();
  hive::hivectl::standard_output output;
  int status = run(argc, argv);
  if (const int reason = output.finish(); reason != 0) {
    std::cerr << "error: the output could not be written: " << std::strerror(reason) << "\n";
    if (status == 0) status = hive::hivectl::exit_output_lost;
  }
  std::cerr << std::flush;
  // The SDK's threads live as long as the process: nothing global may be destroyed under them.
  std::_Exit(status);
}
