#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "tests/integration/process.hpp"

namespace hive::test {

/// A hived process on free ports and a folder of its own; it can be killed and started again on the same data.
class node {
 public:
  /// `settings`: further hived arguments.
  explicit node(std::vector<std::string> settings = {});

  /// Starts hived and waits until it serves. Throws with its log if it does not come up.
  void start();
  void kill() { hived_->kill(); }
  /// SIGTERM; the exit status, or -1 if it took longer than `patience`.
  int stop(std::chrono::milliseconds patience = std::chrono::seconds{10});

  [[nodiscard]] process& hived() { return *hived_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(client_port_); }
  [[nodiscard]] std::uint16_t metrics_port() const { return metrics_port_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] std::filesystem::path data_folder() const { return folder_.path() / "data"; }
  [[nodiscard]] std::vector<std::string> environment() const { return {"HIVE_ENDPOINT=" + endpoint()}; }

  /// A client of this node's. After a restart the node keeps its port, so the client reconnects.
  [[nodiscard]] std::shared_ptr<client> connect() const;

  /// Starts the SDK test worker (tests/integration/test_worker.cpp): types noop, nap, fail, hang.
  [[nodiscard]] process start_worker(const std::string& name, unsigned slots, std::vector<std::string> more = {}) const;
  /// Starts hive-worker, the process executor.
  [[nodiscard]] process start_process_worker(const std::string& name, unsigned slots) const;
  /// Runs hivectl against this node.
  [[nodiscard]] finished ctl(std::vector<std::string> arguments,
                             std::chrono::milliseconds patience = std::chrono::seconds{60}) const;

 private:
  temporary_folder folder_;
  std::vector<std::string> settings_;
  std::optional<process> hived_;
  std::uint16_t client_port_ = 0;
  std::uint16_t metrics_port_ = 0;
};

/// Path of one of our programs, as built.
std::string program(const std::string& name);

/// A spec with title and type, and max_attempts attempts.
v1::TaskSpec task_of(const std::string& type, unsigned max_attempts = 0);

}  // namespace hive::test
