#include "apps/hivectl/session.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "apps/plan_files/plan_files.hpp"
#include "config/config.hpp"
#include "config/logging.hpp"
#include "gate/tls_context.hpp"

namespace hive::hivectl {
namespace {

/// What a person can do about a failure.
std::string next_step(errc code, const std::string& endpoint) {
  switch (code) {
    case errc::unavailable:
      return (endpoint.find(',') == std::string::npos ? "is hived running at " : "is hived running at most of ") +
             endpoint +
             "? Point to it with --endpoint HOST:PORT or HIVE_ENDPOINT "
             "(hived writes its port to DATA_DIR/ports.json)";
    case errc::not_leader:
      return "only the node that leads takes changes: name it, or several nodes, with --endpoint, and let "
             "client.prefer be "
             "leader";
    case errc::permission_denied:
      return "which roles does the certificate have? See hivectl tls show, and docs/operations.md";
    case errc::not_found:
      return "see what there is: hivectl task list, hivectl plan list, hivectl worker list";
    case errc::deadline_exceeded:
      return "try again with a longer --timeout, or look at the node: hivectl status";
    case errc::resource_exhausted:
      return "the node is at a limit; see hivectl status, and try again";
    case errc::failed_precondition:
      return "see the state it is in: hivectl task get ID, hivectl plan status ID";
    case errc::data_loss:
    case errc::internal:
      return "this should not happen; check the node with hivectl debug check and see hived's log";
    default:
      return {};
  }
}

/// As hive::get_client(): the file that HIVE_CONFIG names, or ./hive.toml if there is one.
std::string settings_file() {
  if (const char* const named = std::getenv("HIVE_CONFIG"); named != nullptr && *named != '\0') return named;
  return std::filesystem::exists("hive.toml") ? "hive.toml" : std::string{};
}

}  // namespace

result<config::client_config> session::load_settings(std::vector<config::setting_override> overrides) {
  if (is_linearizable) overrides.push_back({"client.reads", "linearizable"});
  if (!endpoint.empty()) overrides.push_back({"client.endpoint", endpoint});
  if (!timeout.empty()) {
    const auto total_ms = plan_files::parse_duration_ms(timeout);
    if (!total_ms) return error{errc::invalid_argument, "--timeout " + total_ms.failure().message, "--timeout"};
    overrides.push_back({"client.total_timeout_ms", std::to_string(*total_ms)});
    if (*total_ms < 10'000) overrides.push_back({"client.request_timeout_ms", std::to_string(*total_ms)});
  }
  auto settings = config::load_client_config(settings_file(), overrides);
  if (!settings) return settings;
  endpoint = settings->endpoint;
  call_timeout_ms_ = settings->total_timeout_ms;
  if (const auto logging = config::configure_logging(settings->log); !logging) return logging.failure();
  return settings;
}

namespace {

/// Fails within seconds, with the reason, rather than after the whole time of the first call.
result<std::shared_ptr<client>> connect_soon(const config::client_config& settings) {
  auto connected = connect(settings);
  if (!connected) return connected;
  const milliseconds wait{std::min<std::int64_t>(5'000, settings.total_timeout_ms)};
  if (const auto hello = (*connected)->wait_connected(wait); !hello) return hello.failure();
  return connected;
}

}  // namespace

std::shared_ptr<client> session::connection() { return connect_with({}); }
std::shared_ptr<client> session::any_connection() { return connect_with({{"client.prefer", "any"}}); }

std::shared_ptr<client> session::connect_with(std::vector<config::setting_override> overrides) {
  if (client_) return client_;
  const auto settings = load_settings(std::move(overrides));
  if (!settings) {
    failed_status = fail(*this, settings.failure());
    return nullptr;
  }
  is_node_asked = true;
  if (!settings->tls_key.empty() && gate::is_open_to_others(settings->tls_key))
    std::cerr << "warning: others than the owner may read the private key " << settings->tls_key << ": chmod 600\n";
  auto connected = connect_soon(*settings);
  if (connected) {
    client_ = *connected;
  } else {
    failed_status = fail(*this, connected.failure());
  }
  return client_;
}

milliseconds session::call_timeout() {
  // What is wrong with them is said when they are used to connect.
  [[maybe_unused]] const auto settings = load_settings({});
  return milliseconds{call_timeout_ms_};
}

result<std::shared_ptr<client>> session::connect_to(const std::string& node, milliseconds patience) {
  auto settings = load_settings({{"client.prefer", "any"}});
  if (!settings) return settings.failure();
  settings->total_timeout_ms = std::min<std::int64_t>(settings->total_timeout_ms, patience.count());
  settings->request_timeout_ms = std::min(settings->request_timeout_ms, settings->total_timeout_ms);
  if (!node.empty() && node != settings->endpoint) {
    settings->endpoint = node;
    settings->tls_server_name.clear();  // it was for the other one
  }
  is_node_asked = true;
  return connect_soon(*settings);
}

int fail(const session& from, const error& failure) {
  // What is wrong here says nothing about the node.
  if (failure.field.starts_with("client.tls_"))
    return fail(failure, "hivectl tls show tells what is wrong with certificates; docs/operations.md makes new ones");
  if (failure.field.starts_with("client.")) return fail(failure, std::string{});
  return fail(failure, from.is_node_asked ? next_step(failure.code, from.endpoint) : std::string{});
}

int fail(const error& failure, const std::string& next) {
  if (failure.field == "--timeout") return fail_usage(failure.message, "for example --timeout 10s");
  std::cout << std::flush;
  std::cerr << "error: " << to_string(failure) << "\n";
  if (!next.empty()) std::cerr << "next:  " << next << "\n";
  return exit_status(failure.code);
}

int fail_usage(const std::string& message, const std::string& next) {
  std::cerr << "error: " << message << "\n";
  if (!next.empty()) std::cerr << "next:  " << next << "\n";
  return exit_usage;
}

result<v1::Label> parse_label(const std::string& text, const std::string& field) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return error{errc::invalid_argument, "a label is KEY=VALUE, not '" + text + "'", field};
  }
  v1::Label label;
  label.set_key(text.substr(0, equals));
  label.set_value(text.substr(equals + 1));
  return label;
}

result<std::int64_t> parse_duration_option(const std::string& text, const std::string& option) {
  if (text.empty()) return std::int64_t{0};
  auto duration_ms = plan_files::parse_duration_ms(text);
  if (!duration_ms) return error{errc::invalid_argument, option + " " + duration_ms.failure().message, option};
  return duration_ms;
}

}  // namespace hive::hivectl
