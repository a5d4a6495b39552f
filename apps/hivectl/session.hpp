#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/hivectl/output.hpp"
#include "client/client.hpp"
#include "config/config.hpp"

namespace hive::hivectl {

/// Exit statuses besides those of hive::exit_status; documented in `hivectl --help` and docs/cli.md.
constexpr int exit_usage = 2;
constexpr int exit_not_completed = 3;
/// The command was done: to repeat it because of its output may do it twice.
constexpr int exit_output_lost = 4;

/// What the whole program was told, and the connection that its command uses.
struct session {
  std::string endpoint;          // one or more; empty: HIVE_ENDPOINT, hive.toml, then the default
  std::string timeout;           // of one call with its retries; empty: from the settings
  std::string format = "table";  // table, json, yaml
  bool is_linearizable = false;  // reads
  output out;

  /// The chosen command; main runs it after the whole line has been parsed. Answers the exit status.
  std::function<int()> action;

  /// Connects at the first call. Prints what went wrong and answers null if the settings are wrong; `failed_status`
  /// then says how to exit.
  std::shared_ptr<client> connection();
  /// The same, with the first of the endpoints that answers, whether it leads or not: for what is about a node itself,
  /// and must be told when nobody leads.
  std::shared_ptr<client> any_connection();
  /// A new connection to exactly this node of the cluster ("": the one that the session was pointed to), whoever leads.
  /// The failure is not printed.
  /// `patience`: for each of its calls that names no time of its own, beside the settings.
  result<std::shared_ptr<client>> connect_to(const std::string& node, milliseconds patience = milliseconds::max());
  /// Of one call; --timeout, else as the settings say.
  [[nodiscard]] milliseconds call_timeout();
  int failed_status = 0;
  /// False while all that can fail is local, such as reading a file: advice about the node would mislead.
  bool is_node_asked = false;

 private:
  std::shared_ptr<client> connect_with(std::vector<config::setting_override> overrides);
  result<config::client_config> load_settings(std::vector<config::setting_override> overrides);

  std::shared_ptr<client> client_;
  std::int64_t call_timeout_ms_ = 60'000;
};

/// Prints "error: ..." and what to do next to stderr; answers the exit status of its code.
int fail(const session& from, const error& failure);
/// The same with advice of the caller's own; none if it is empty.
int fail(const error& failure, const std::string& next);
/// A command line that cannot work: status 2.
int fail_usage(const std::string& message, const std::string& next);

/// A worker by id, or by name when the text is not an id.
result<v1::Worker> find_worker(client& connection, const std::string& text);
/// The same where the id is enough: the worker itself may be forgotten already.
result<worker_id> find_worker_id(client& connection, const std::string& text);

/// Takes "key=value".
result<v1::Label> parse_label(const std::string& text, const std::string& field);
/// A duration option; "" gives 0.
result<std::int64_t> parse_duration_option(const std::string& text, const std::string& option);

void add_task_commands(CLI::App& app, session& context);
void add_worker_commands(CLI::App& app, session& context);
void add_plan_commands(CLI::App& app, session& context);
void add_event_commands(CLI::App& app, session& context);
void add_node_commands(CLI::App& app, session& context, const std::string& version);
void add_backup_commands(CLI::App& app, session& context);
void add_tls_commands(CLI::App& app, session& context);
void add_cluster_commands(CLI::App& app, session& context);
void add_completion_command(CLI::App& app, session& context);

}  // namespace hive::hivectl
