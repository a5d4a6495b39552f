#pragma once

#include <caf/actor_system.hpp>

#include "actors/node_runtime.hpp"
#include "actors/service_context.hpp"
#include "cluster/peer_links.hpp"
#include "config/config.hpp"

namespace hive::apps {

/// The part of a node that only a member of a cluster has. Does nothing for a node that stands alone.
class membership {
 public:
  /// Before the actors start: the context says from now on that the node is a member.
  membership(const config::node_config& settings, service_context& context);

  /// After the actors have started: connections to the other members.
  void connect(const node_runtime& runtime);
  /// Before the actors end: another member takes over, if this one leads and another can. Waits for it, not for long.
  void hand_over(caf::actor_system& system, const node_runtime& runtime);
  /// After the actors have ended.
  void close();

 private:
  std::shared_ptr<cluster_view> view_;
  std::shared_ptr<cluster::peer_links> links_;
};

}  // namespace hive::apps
