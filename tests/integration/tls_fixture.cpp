#include "tests/integration/tls_fixture.hpp"

#include <sstream>
#include <stdexcept>

namespace hive::test {
namespace {

certificates issue_all() {
  certificates made;
  made.tls({"issue", "node", "n1", "--host", "127.0.0.1", "--host", "localhost"});
  made.tls({"issue", "client", "me"});
  made.tls({"issue", "worker", "w1"});
  return made;
}

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

}  // namespace

certificates::certificates(const std::string& cluster) { tls({"init", cluster}); }

std::string certificates::tls(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {program("hivectl"), "tls"});
  arguments.insert(arguments.end(), {"--dir", (folder_->path() / "tls").string()});
  const auto done = run(arguments);
  if (done.status != 0) throw std::runtime_error("hivectl tls failed: " + done.output);
  return done.output;
}

gate::tls_files certificates::files(const std::string& name) const {
  const auto folder = folder_->path() / "tls";
  return {(folder / (name + ".crt")).string(), (folder / (name + ".key")).string(),
          (folder / "authority.crt").string()};
}

std::vector<std::string> certificates::environment(const std::string& name, const std::string& endpoint) const {
  const auto used = files(name);
  return {"HIVE_ENDPOINT=" + endpoint, "HIVE_CLIENT_TLS_CERTIFICATE=" + used.certificate,
          "HIVE_CLIENT_TLS_KEY=" + used.key, "HIVE_CLIENT_TLS_AUTHORITY=" + used.authority};
}

config::client_config certificates::client_settings(const std::string& name, const std::string& endpoint) const {
  const auto used = files(name);
  config::client_config settings;
  settings.endpoint = endpoint;
  settings.tls_certificate = used.certificate;
  settings.tls_key = used.key;
  settings.tls_authority = used.authority;
  return settings;
}

std::vector<std::string> certificates::node_settings(const std::string& name) const {
  const auto used = files(name);
  return {"--set", "tls.certificate=" + used.certificate, "--set", "tls.key=" + used.key,
          "--set", "tls.authority=" + used.authority};
}

secure_node::secure_node(std::vector<std::string> more_settings)
    : issued(issue_all()), server(issued.node_settings("n1") + more_settings) {}

finished secure_node::ctl(const std::string& who, std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program("hivectl"));
  return run(std::move(arguments), issued.environment(who, server.endpoint()));
}

std::uint16_t secure_node::port() const {
  const auto endpoint = server.endpoint();
  return static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
}

bool secure_node::wait_logged(const std::string& one, const std::string& other) {
  return eventually([&] {
    std::istringstream lines(server.hived().output());
    for (std::string line; std::getline(lines, line);) {
      if (line.find(one) != std::string::npos && line.find(other) != std::string::npos) return true;
    }
    return false;
  });
}

}  // namespace hive::test
