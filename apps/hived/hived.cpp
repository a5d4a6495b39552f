// hived: one node of hive. Composition root: reads the configuration, builds the parts, waits for a signal.
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <caf/actor_system.hpp>
#include <nlohmann/json.hpp>

#include "actors/message_types.hpp"
#include "actors/node.hpp"
#include "actors/node_health.hpp"
#include "actors/node_runtime.hpp"
#include "actors/system_config.hpp"
#include "apps/hived/listener.hpp"
#include "apps/hived/membership.hpp"
#include "apps/hived/notify.hpp"
#include "apps/hived/pages.hpp"
#include "config/config.hpp"
#include "config/logging.hpp"
#include "metrics/node_probe.hpp"
#include "persistence/store.hpp"

namespace hive::apps {
namespace {

/// SIGTERM must end the process within 5 s: what is left after this goes to the store and the threads.
constexpr auto stop_patience = std::chrono::milliseconds(3500);

/// A command line that cannot be understood, as with hivectl.
constexpr int usage_exit_status = 2;

constexpr const char* help_footer = R"(Examples:
  hived                                       data in ./hive-data, clients on 127.0.0.1:7117
  hived --data-dir /var/lib/hive --config /etc/hive/hive.toml
  hived --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0
                                              free ports; DATA_DIR/ports.json says which
  hived --listen 0.0.0.0:7117 --set tls.certificate=node1.crt --set tls.key=node1.key --set tls.authority=authority.crt
                                              for other machines, with TLS; hivectl tls --help makes the files
  hived --set ledger.batch_commands_max=1024 --print-config
                                              shows the configuration in force and ends

Settings come from, in this order: defaults, the file, the environment (HIVE_SECTION_NAME), the command line.
Signals: SIGTERM and SIGINT stop in good order within 5 s; a second one ends at once (nothing acknowledged is lost).
With TLS, SIGHUP reads the certificate files anew; a change of them is also noticed without it.
Exit codes: 0 stopped in good order; 2 usage; 10 + error code otherwise (11 invalid argument, 12 not found,
14 failed precondition, 16 unavailable, 20 data loss, 21 internal).)";

struct options {
  std::string config_file;
  std::vector<config::setting_override> overrides;
  bool is_printing_config = false;
};

int fail(const error& failure) {
  std::cerr << "hived: " << to_string(failure) << '\n';
  return exit_status(failure.code);
}

result<void> split_settings(const std::vector<std::string>& settings, std::vector<config::setting_override>& into) {
  for (const auto& text : settings) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return error{errc::invalid_argument, "--set takes NAME=VALUE, not \"" + text + "\"", "--set"};
    }
    into.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return {};
}

std::int64_t wall_clock_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::uint64_t random_number() {
  std::random_device random;
  return (std::uint64_t{random()} << 32U) | random();
}

core::core_limits limits_of(const config::node_config& settings) {
  core::core_limits limits;
  limits.payload_bytes_max = settings.tasks.payload_bytes_max;
  limits.log_bytes_max = settings.tasks.log_bytes_max;
  limits.retention_ms = settings.tasks.retention_ms;
  limits.cancel_grace_ms = settings.tasks.cancel_grace_ms;
  limits.retry_attempts = settings.tasks.retry_attempts;
  limits.backoff_initial_ms = settings.tasks.backoff_initial_ms;
  limits.backoff_max_ms = settings.tasks.backoff_max_ms;
  limits.poison_workers_lost = settings.tasks.poison_workers_lost;
  limits.plan_steps_max = settings.plans.steps_max;
  limits.plan_upload_ms = settings.plans.upload_ms;
  limits.workers_max = settings.workers.workers_max;
  limits.event_retention_ms = settings.events.retention_ms;
  limits.events_max = settings.events.events_max;
  return limits;
}

/// Readers of the file never see half of it.
result<void> write_ports(const std::filesystem::path& folder, std::uint16_t clients, std::uint16_t metrics) {
  const auto target = folder / "ports.json";
  const auto draft = folder / "ports.json.new";
  {
    std::ofstream file(draft, std::ios::trunc);
    file << nlohmann::json{{"clients", clients}, {"metrics", metrics}}.dump() << '\n';
    if (!file.flush()) return error{errc::unavailable, "cannot write " + draft.string(), "node.data_dir"};
  }
  std::error_code problem;
  std::filesystem::rename(draft, target, problem);
  if (problem)
    return error{errc::unavailable, "cannot write " + target.string() + ": " + problem.message(), "node.data_dir"};
  return {};
}

/// Blocks the signals that the node waits for, for this thread and all that it starts.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

/// From now on the next signal ends the process at once: everything acknowledged is on disk.
void let_signals_kill(const sigset_t& signals) {
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

service_context_ptr make_context(const config::node_config& settings, persistence::store& store,
                                 metrics::node_probe& probe) {
  auto context = std::make_shared<service_context>();
  context->config = settings;
  context->limits = limits_of(settings);
  context->store = &store;
  context->probe = &probe;
  context->version = HIVE_VERSION;
  context->incarnation = random_number();
  context->now_unix_ms = wall_clock_ms;
  context->work_admission =
      std::make_shared<admission>(settings.ledger.inflight_commands_max, settings.ledger.inflight_bytes_max);
  context->sessions = std::make_shared<session_table>();
  return context;
}

void collect_on_scrape(metrics::node_probe& probe, const service_context_ptr& context) {
  probe.on_scrape([context, started_at = std::chrono::steady_clock::now()] {
    report_mailboxes(*context);
    metrics::node_probe::snapshot snapshot;
    snapshot.status = describe_node(*context, started_at);
    const auto figures = context->store->figures();
    snapshot.storage = {figures.map_bytes, figures.used_bytes, figures.file_bytes, figures.free_pages};
    return snapshot;
  });
}

/// The signal that ends the node. SIGHUP does not: with TLS the certificates are read anew.
int wait_for_end(const sigset_t& signals, listener& clients) {
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGHUP) return signal;
    if (clients.is_tls())
      clients.reload();
    else
      config::logger("node")->info("SIGHUP: there is nothing to read anew without TLS; settings need a restart");
  }
}

/// The address with the port that was taken; "none" without one.
std::string address_text(const std::string& setting, std::uint16_t port) {
  return port == 0 ? "none" : setting.substr(0, setting.rfind(':')) + ":" + std::to_string(port);
}

/// Serves until a signal comes.
result<void> serve(const config::node_config& settings, persistence::store& store, const sigset_t& signals) {
  metrics::node_probe probe(HIVE_VERSION);
  const auto context = make_context(settings, store, probe);
  membership member(settings, *context);
  system_config caf_settings(settings.node.scheduler_threads);
  caf::actor_system system(caf_settings);
  harden(system);
  auto runtime = node_runtime::start(system, context, true);
  if (!runtime) return runtime.failure();
  member.connect(**runtime);
  collect_on_scrape(probe, context);
  const auto health = std::make_shared<node_health>(context);
  health->watch(system, (*runtime)->front());
  const auto pages = open_pages(settings, probe, health);
  if (!pages) {
    (*runtime)->stop(stop_patience);
    member.close();
    return pages.failure();
  }
  const std::uint16_t metrics_port = *pages ? (*pages)->port() : std::uint16_t{0};
  auto clients = listener::open(system, **runtime, settings, context->limits, probe);
  auto done =
      clients ? write_ports(settings.node.data_dir, (*clients)->port(), metrics_port) : result<void>(clients.failure());
  if (done) {
    const auto listens = config::parse_endpoint(settings.node.listen, "node.listen");
    config::logger("node")->info("serving clients={}:{} tls={} metrics={} data_dir={} version={}", listens->host,
                                 (*clients)->port(), (*clients)->is_tls() ? "on" : "off",
                                 address_text(settings.node.metrics_listen, metrics_port), settings.node.data_dir,
                                 HIVE_VERSION);
    health->enter(node_stage::serving);
    notify_service_manager("READY=1");
    const int signal = wait_for_end(signals, **clients);
    health->enter(node_stage::stopping);
    let_signals_kill(signals);
    notify_service_manager("STOPPING=1");
    config::logger("node")->info("stopping signal={}", signal);
    member.hand_over(system, **runtime);
  }
  if (clients) (*clients)->close();
  // The pages are served to the end: load balancers read there that the node is stopping.
  (*runtime)->stop(stop_patience);
  member.close();
  return done;
}

result<options> parse_arguments(int argc, char** argv, std::optional<int>& exit_now) {
  CLI::App app("hived: a node of hive, which runs other people's work: tasks, workers and plans, durably.");
  app.footer(help_footer);
  app.set_version_flag("--version", std::string("hived ") + HIVE_VERSION);
  options parsed;
  std::string data_dir;
  std::string listen;
  std::string metrics_listen;
  std::string log_level;
  std::string log_format;
  std::vector<std::string> settings;
  app.add_option("--config", parsed.config_file, "hive.toml to read")->type_name("FILE");
  app.add_option("--data-dir", data_dir, "folder of the store and of ports.json; created if missing")->type_name("DIR");
  app.add_option("--listen", listen,
                 "address for clients and workers, beyond loopback only with TLS; port 0 takes a free one")
      ->type_name("HOST:PORT");
  auto* metrics_option = app.add_option("--metrics-listen", metrics_listen,
                                        "address of the pages /metrics, /live, /ready and /leader; \"\" turns them off")
                             ->type_name("HOST:PORT");
  app.add_option("--set", settings, "any setting of hive.toml, e.g. workers.grace_ms=3000; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  app.add_option("--log-level", log_level, "trace, debug, info, warn, error or off")->type_name("LEVEL");
  app.add_option("--log-format", log_format, "text or json")->type_name("FORMAT");
  app.add_flag("--print-config", parsed.is_printing_config, "print the configuration in force and end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    exit_now = app.exit(done);
    return parsed;
  } catch (const CLI::ParseError& problem) {
    std::cerr << "hived: " << problem.what() << "\nhived --help says more.\n";
    exit_now = usage_exit_status;
    return parsed;
  }
  if (auto split = split_settings(settings, parsed.overrides); !split) return split.failure();
  const auto override_with = [&parsed](const std::string& name, const std::string& value) {
    if (!value.empty()) parsed.overrides.push_back({name, value});
  };
  override_with("node.data_dir", data_dir);
  override_with("node.listen", listen);
  override_with("log.level", log_level);
  override_with("log.format", log_format);
  if (metrics_option->count() > 0) parsed.overrides.push_back({"node.metrics_listen", metrics_listen});
  return parsed;
}

int run(int argc, char** argv) {
  std::optional<int> exit_now;
  const auto parsed = parse_arguments(argc, argv, exit_now);
  if (exit_now) return *exit_now;
  if (!parsed) return fail(parsed.failure());
  const auto settings = config::load_node_config(parsed->config_file, parsed->overrides);
  if (!settings) return fail(settings.failure());
  if (parsed->is_printing_config) {
    std::cout << config::print_node_config(*settings);
    return 0;
  }
  const sigset_t signals = block_signals();
  if (auto logging = config::configure_logging(settings->log); !logging) return fail(logging.failure());
  persistence::store_options storage;
  storage.folder = settings->node.data_dir;
  storage.map_bytes_max = settings->storage.map_bytes_max;
  storage.readers_max = settings->storage.readers_max;
  // A member may get the whole state of another one.
  auto store =
      settings->cluster.is_on() ? persistence::store::open_replaceable(storage) : persistence::store::open(storage);
  if (!store) return fail(store.failure());
  // A file of an earlier start must not pass for this one's.
  std::error_code ignored;
  std::filesystem::remove(std::filesystem::path(settings->node.data_dir) / "ports.json", ignored);
  const auto served = serve(*settings, **store, signals);
  if (!served) return fail(served.failure());
  config::logger("node")->info("stopped");
  return 0;
}

}  // namespace
}  // namespace hive::apps

int main(int argc, char** argv) {
  try {
    return hive::apps::run(argc, argv);
  } catch (const std::exception& problem) {
    std::cerr << "hived: internal: " << problem.what() << '\n';
    return hive::exit_status(hive::errc::internal);
  }
}
