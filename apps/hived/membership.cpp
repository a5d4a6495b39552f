#include "apps/hived/membership.hpp"

#include <chrono>

#include <caf/actor_cast.hpp>
#include <caf/scoped_actor.hpp>

#include "actors/member_store.hpp"
#include "actors/message_types.hpp"
#include "config/logging.hpp"
#include "core/rules_version.hpp"

#include <spdlog/spdlog.h>

namespace hive::apps {
namespace {

constexpr std::chrono::milliseconds hand_over_max{1000};

}  // namespace

membership::membership(const config::node_config& settings, service_context& context) {
  if (!settings.cluster.is_on()) return;
  cluster::peer_links_options options;
  options.hello.set_cluster(settings.cluster.name);
  options.hello.set_node_id(settings.cluster.node_id);
  options.hello.set_endpoint(own_endpoint(settings));
  options.hello.set_incarnation(context.incarnation);
  options.hello.set_rules_version(core::rules_version);
  options.hello.set_version(context.version);
  if (settings.tls.is_on())
    options.security = gate::tls_files{settings.tls.certificate, settings.tls.key, settings.tls.authority};
  view_ = std::make_shared<cluster_view>();
  links_ = std::make_shared<cluster::peer_links>(std::move(options));
  context.cluster = view_;
  context.peers = links_;
}

void membership::connect(const node_runtime& runtime) {
  if (links_) links_->report_to(caf::actor_cast<caf::strong_actor_ptr>(runtime.member()));
}

void membership::hand_over(caf::actor_system& system, const node_runtime& runtime) {
  if (!view_ || !view_->leadership().is_leader() || view_->leadership().endpoints_size() < 2) return;
  v1::ChangeClusterRequest request;
  request.mutable_transfer();
  caf::scoped_actor self{system};
  self->request(runtime.member(), hand_over_max, std::move(request))
      .receive([](const v1::ChangeClusterResponse&) { config::logger("node")->info("leadership was handed over"); },
               [](const caf::error& why) {
                 config::logger("node")->warn("leadership was not handed over: {}", to_string(to_error(why)));
               });
}

void membership::close() {
  if (!links_) return;
  links_->report_to(nullptr);
  links_->close();
}

}  // namespace hive::apps
