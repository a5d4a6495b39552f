#include "tests/integration/node_fixture.hpp"

#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace hive::test {

std::string program(const std::string& name) { return std::string{HIVE_BINARY_FOLDER} + "/" + name; }

v1::TaskSpec task_of(const std::string& type, unsigned max_attempts) {
  v1::TaskSpec spec;
  spec.set_title(type);
  spec.set_type(type);
  spec.mutable_retry()->set_max_attempts(max_attempts);
  return spec;
}

node::node(std::vector<std::string> settings) : settings_(std::move(settings)) { start(); }

void node::start() {
  const auto ports = data_folder() / "ports.json";
  std::filesystem::remove(ports);
  std::vector<std::string> arguments{
      program("hived"),   "--data-dir", data_folder().string(), "--listen", "127.0.0.1:" + std::to_string(client_port_),
      "--metrics-listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), settings_.begin(), settings_.end());
  hived_.emplace(std::move(arguments), folder_.path() / "hived.log");
  const bool is_serving = eventually([&] { return std::filesystem::exists(ports) || !hived_->is_running(); });
  if (!is_serving || !hived_->is_running()) throw std::runtime_error("hived did not start:\n" + hived_->output());
  std::ifstream file{ports};
  const auto content = nlohmann::json::parse(file);
  client_port_ = content.at("clients").get<std::uint16_t>();
  metrics_port_ = content.at("metrics").get<std::uint16_t>();
}

int node::stop(std::chrono::milliseconds patience) {
  hived_->signal(SIGTERM);
  return hived_->wait(patience);
}

std::shared_ptr<client> node::connect() const {
  config::client_config settings;
  settings.endpoint = endpoint();
  auto connection = hive::connect(settings);
  if (!connection) throw std::runtime_error(to_string(connection.failure()));
  return std::move(*connection);
}

process node::start_worker(const std::string& name, unsigned slots, std::vector<std::string> more) const {
  std::vector<std::string> arguments{std::string{HIVE_TEST_WORKER}, name, std::to_string(slots)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return {std::move(arguments), folder_.path() / (name + ".log"), environment()};
}

process node::start_process_worker(const std::string& name, unsigned slots) const {
  return {{program("hive-worker"), "--name", name, "--slots", std::to_string(slots)},
          folder_.path() / (name + ".log"),
          environment()};
}

finished node::ctl(std::vector<std::string> arguments, std::chrono::milliseconds patience) const {
  arguments.insert(arguments.begin(), program("hivectl"));
  return run(std::move(arguments), environment(), patience);
}

}  // namespace hive::test
