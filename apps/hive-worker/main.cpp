#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include <CLI/CLI.hpp>

#include "apps/executor/orphans.hpp"
#include "apps/executor/process_runner.hpp"
#include "apps/plan_files/plan_files.hpp"
#include "base/utf8.hpp"
#include "client/client.hpp"
#include "client/worker.hpp"
#include "config/config.hpp"
#include "config/logging.hpp"
#include "gate/tls_context.hpp"

namespace {

using namespace hive;

constexpr int exit_usage = 2;
constexpr std::uint32_t slots_max = 4096;

struct worker_arguments {
  std::string name;
  std::string role;
  std::string endpoint;
  std::vector<std::string> capabilities;
  std::vector<std::string> labels;
  std::uint32_t slots = std::max(1U, std::thread::hardware_concurrency());
  std::uint32_t prefetch_max = hive::worker_options{}.prefetch_max;
  std::string drain_timeout = "30s";
  std::string kill_grace = "5s";
};

/// Results of the steps that this one needs. One that did not fit the assignment is fetched.
result<std::vector<executor::step_input>> collect_inputs(const task_context& task, client& connection) {
  std::vector<executor::step_input> inputs;
  for (const v1::StepInput& input : task.inputs()) {
    if (!input.is_truncated()) {
      inputs.push_back(
          executor::make_input(input.step_name(), input.result().payload(), input.result().content_type()));
      continue;
    }
    const auto needed = connection.get_task(task_id{input.task_id()}, {false, true});
    if (!needed)
      return error{errc::unavailable,
                   "the result of step " + input.step_name() + " cannot be read: " + needed.failure().message,
                   {}};
    inputs.push_back(
        executor::make_input(input.step_name(), needed->result().payload(), needed->result().content_type()));
  }
  return inputs;
}

/// A cause in the system (no more processes or memory) may pass; a wrong payload will not.
task_failure start_failure(const error& failure) {
  return {failure.message, failure.code == errc::unavailable, {}, {}};
}

task_outcome execute(task_context& task, client& connection, milliseconds kill_grace) {
  const auto payload = executor::parse_process_payload(task.payload(), task.spec().content_type());
  if (!payload) return start_failure(payload.failure());
  const auto inputs = collect_inputs(task, connection);
  if (!inputs) return start_failure(inputs.failure());

  executor::run_options options;
  options.cancel = task.cancel_token();
  options.kill_grace = kill_grace;
  options.on_output = [&task](executor::output_stream stream, std::string_view bytes) {
    const bool is_stdout = stream == executor::output_stream::standard_output;
    task.log(is_stdout ? v1::TaskLogChunk::STREAM_STDOUT : v1::TaskLogChunk::STREAM_STDERR, bytes);
  };
  const executor::run_identity identity{to_string(task.id()), std::to_string(task.attempt().value), task.step_name()};
  const auto outcome = executor::run_process(*payload, identity, *inputs, options);
  if (!outcome) return start_failure(outcome.failure());
  if (outcome->ending == executor::process_ending::canceled) return task_canceled{};
  std::string report = executor::to_json(*outcome);
  if (executor::is_success(*outcome)) return task_output{std::move(report), executor::process_result_type};
  return task_failure{executor::describe_failure(*outcome, *payload), executor::is_retryable(*outcome, *payload),
                      std::move(report), executor::process_result_type};
}

std::string default_name() {
  char host[256] = "worker";
  if (::gethostname(host, sizeof host - 1) != 0) return "worker-" + std::to_string(::getpid());
  return std::string{host} + "-" + std::to_string(::getpid());
}

std::string settings_file() {
  if (const char* const named = std::getenv("HIVE_CONFIG"); named != nullptr && *named != '\0') return named;
  return std::filesystem::exists("hive.toml") ? "hive.toml" : std::string{};
}

result<worker_options> make_options(const worker_arguments& arguments) {
  worker_options options;
  options.name = arguments.name.empty() ? default_name() : arguments.name;
  options.role = arguments.role;
  options.slots = arguments.slots;
  options.prefetch_max = arguments.prefetch_max;
  options.capabilities = arguments.capabilities;
  for (const std::string& text : arguments.labels) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return error{errc::invalid_argument, "a label is KEY=VALUE, not '" + text + "'", "--label"};
    }
    options.labels.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  const auto drain_ms = plan_files::parse_duration_ms(arguments.drain_timeout);
  if (!drain_ms)
    return error{errc::invalid_argument, "--drain-timeout " + drain_ms.failure().message, "--drain-timeout"};
  options.drain_timeout = milliseconds{*drain_ms};
  std::vector<config::setting_override> overrides;
  if (!arguments.endpoint.empty()) overrides.push_back({"client.endpoint", arguments.endpoint});
  const auto settings = config::load_client_config(settings_file(), overrides);
  if (!settings) return settings.failure();
  options.connection = *settings;
  options.connection.prefer = "leader";  // as the worker does: both share one connection
  return options;
}

int fail(const error& failure) {
  std::cerr << "error: " << to_string(failure) << "\n";
  return exit_status(failure.code);
}

/// Tells a person, once each, that there is no node yet (with the reason), and that there is one.
void announce_connection(client& connection, const std::string& who, const std::stop_token& stop) {
  constexpr milliseconds slice{200};
  constexpr int slices_of_patience = 5;
  for (int tries = 1; !stop.stop_requested(); ++tries) {
    const auto hello = connection.wait_connected(slice);
    const std::string node = connection.endpoint();
    if (hello && !node.empty()) {
      std::cerr << "hive-worker: connected to " + node + " as " + who + "\n";
      return;
    }
    if (!hello && tries == slices_of_patience)
      std::cerr << "hive-worker: " + hello.failure().message + "; keeps trying (is hived running there?)\n";
  }
}

int run(const worker_arguments& arguments) {
  auto options = make_options(arguments);
  if (!options) return fail(options.failure());
  const auto kill_grace_ms = plan_files::parse_duration_ms(arguments.kill_grace);
  if (!kill_grace_ms)
    return fail({errc::invalid_argument, "--kill-grace " + kill_grace_ms.failure().message, "--kill-grace"});
  if (const auto logging = config::configure_logging(options->connection.log); !logging) return fail(logging.failure());
  if (!executor::adopt_orphans())
    std::cerr << "warning: processes that leave their group cannot be ended with their task\n";
  const std::string& key = options->connection.tls_key;
  if (!key.empty() && gate::is_open_to_others(key))
    std::cerr << "warning: others than the owner may read the private key " << key << ": chmod 600\n";
  const auto connection = connect(options->connection);
  if (!connection) return fail(connection.failure());

  const std::string who =
      options->name + " with " + std::to_string(options->slots) + (options->slots == 1 ? " slot" : " slots");
  worker process_worker{std::move(*options)};
  process_worker.on("process",
                    [&](task_context& task) { return execute(task, **connection, milliseconds{*kill_grace_ms}); });
  const std::jthread announcer{[&](const std::stop_token& stop) { announce_connection(**connection, who, stop); }};
  if (const auto ended = process_worker.run(); !ended) return fail(ended.failure());
  std::cerr << "hive-worker: stopped\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  worker_arguments arguments;
  CLI::App app{"hive-worker executes tasks of type `process`: it registers at a hive node and runs what it is given.",
               "hive-worker"};
  app.set_version_flag("--version", std::string{"hive-worker "} + HIVE_VERSION);
  app.add_option("--name", arguments.name, "Unique name; the same name is the same worker (default HOST-PID)");
  app.add_option("--slots", arguments.slots, "Tasks at a time (default: the number of processors)")
      ->check(CLI::Range(1U, slots_max));
  app.add_option("--prefetch-max", arguments.prefetch_max,
                 "Short tasks are assigned ahead, at most so many beyond the slots (0: none)")
      ->check(CLI::Range(0U, slots_max))
      ->capture_default_str();
  app.add_option("--capability", arguments.capabilities, "What tasks may require of it; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--label", arguments.labels, "KEY=VALUE that tasks may select it by; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--role", arguments.role, "Free text");
  app.add_option("--endpoint", arguments.endpoint,
                 "HOST:PORT of the node, or of several of a cluster: A:7117,B:7117 (default: HIVE_ENDPOINT, hive.toml, "
                 "127.0.0.1:7117)");
  app.add_option("--drain-timeout", arguments.drain_timeout, "After SIGTERM, stop what still runs after this time")
      ->capture_default_str();
  app.add_option("--kill-grace", arguments.kill_grace, "From SIGTERM to SIGKILL of a canceled process")
      ->capture_default_str();
  app.footer(
      "SIGTERM and SIGINT drain: nothing new is taken, what runs may end. A second one stops at once.\n"
      "Exit status: 0 drained; 2 wrong usage; else as listed by hivectl --help.");
  if (const int at = find_argument_not_utf8(argc, argv); at > 0) {
    std::cerr << "error: argument " << at << " is not UTF-8 text\n";
    return exit_usage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : exit_usage;
  }
  const int status = run(arguments);
  std::cerr << std::flush;
  // The SDK's threads live as long as the process: nothing global may be destroyed under them.
  std::_Exit(status);
}
