#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/interfaces.hpp"
#include "actors/system_config.hpp"
#include "base/result.hpp"

namespace hive::test {

/// What a member of a test's cluster answers. Guarded by its mutex.
struct member_script {
  std::mutex mutex;
  v1::ClusterStatusResponse status;
  std::vector<v1::ChangeClusterRequest> changes;
  /// Both are called with the mutex held and may change `status`; the first one before each answer.
  std::function<void()> on_status;
  std::function<result<v1::ChangeClusterResponse>(const v1::ChangeClusterRequest&)> on_change;
};

/// A node as far as hivectl cluster sees it, on a real loopback port.
class fake_member {
 public:
  fake_member();
  ~fake_member();

  member_script& script() { return *script_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  std::shared_ptr<member_script> script_;
  system_config config_;
  caf::actor_system system_;
  caf::actor manager_;
  node_actor node_;
  std::uint16_t port_ = 0;
};

}  // namespace hive::test
