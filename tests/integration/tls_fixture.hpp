#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gate/tls_context.hpp"
#include "tests/integration/node_fixture.hpp"

namespace hive::test {

/// A folder of certificates, made with hivectl as a person would.
class certificates {
 public:
  explicit certificates(const std::string& cluster = "demo");

  /// hivectl tls ARGUMENTS on this folder; throws with its output if it fails.
  std::string tls(std::vector<std::string> arguments) const;
  [[nodiscard]] gate::tls_files files(const std::string& name) const;
  /// For programs that are started with the certificate `name`.
  [[nodiscard]] std::vector<std::string> environment(const std::string& name, const std::string& endpoint) const;
  [[nodiscard]] config::client_config client_settings(const std::string& name, const std::string& endpoint) const;
  /// hived's arguments.
  [[nodiscard]] std::vector<std::string> node_settings(const std::string& name) const;

 private:
  std::shared_ptr<temporary_folder> folder_ = std::make_shared<temporary_folder>();
};

/// Certificates n1 (node), me (client), w1 (worker), and a node with the first.
struct secure_node {
  certificates issued;
  node server;

  explicit secure_node(std::vector<std::string> more_settings = {});
  /// hivectl with the certificate `who`.
  [[nodiscard]] finished ctl(const std::string& who, std::vector<std::string> arguments) const;
  [[nodiscard]] std::uint16_t port() const;
  /// Waits until the node's log holds a line with both texts.
  bool wait_logged(const std::string& one, const std::string& other);
};

}  // namespace hive::test
