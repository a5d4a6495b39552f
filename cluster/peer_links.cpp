#include "cluster/peer_links.hpp"

#include <algorithm>
#include <utility>

#include "config/logging.hpp"

#include <spdlog/spdlog.h>

namespace hive::cluster {

peer_links::peer_links(peer_links_options options) : options_(std::move(options)), runtime_(runtime::instance()) {}

peer_links::~peer_links() { close(); }

std::optional<peer_links::slot> peer_links::open(const peer& to) const {
  const auto address = config::parse_endpoint(to.endpoint, "endpoint");
  if (!address || address->port == 0) {
    config::logger("cluster")->error("peer has no usable endpoint peer={} endpoint={}", to.node_id, to.endpoint);
    return {};
  }
  std::optional<gate::tunnel::options> security;
  if (options_.security) {
    security.emplace();
    security->files = *options_.security;
    security->server_name = address->host;
  }
  v1::PeerHelloRequest hello = options_.hello;
  hello.set_receiver_id(to.node_id);
  hello.set_lineage(to.lineage);
  slot made;
  made.direction = std::make_shared<peer_link>(runtime_, to, std::move(hello), listener_);
  // Of this node and no other, whoever leads.
  made.connection = std::make_shared<link>(runtime_, *address, std::move(security));
  made.connection->observe(made.direction);
  // It may have come up before it was observed.
  if (const auto session = made.connection->current()) made.direction->on_link_up(session);
  return made;
}

void peer_links::retire(slot old) {
  old.direction->close();
  std::erase_if(endings_,
                [](const auto& one) { return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  endings_.push_back(
      std::async(std::launch::async, [ending = std::move(old.connection)]() mutable { ending.reset(); }));
}

void peer_links::report_to(caf::strong_actor_ptr listener) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  listener_ = std::move(listener);
  for (const auto& [id, one] : slots_) one.direction->report_to(listener_);
}

void peer_links::reach(std::vector<peer> peers) {
  std::erase_if(peers, [this](const peer& one) { return one.node_id == options_.hello.node_id(); });
  const std::lock_guard lock(mutex_);
  if (is_closed_) return;
  for (auto it = slots_.begin(); it != slots_.end();) {
    if (std::find(peers.begin(), peers.end(), it->second.direction->to()) != peers.end()) {
      ++it;
      continue;
    }
    retire(std::move(it->second));
    it = slots_.erase(it);
  }
  for (const auto& one : peers) {
    if (slots_.contains(one.node_id)) continue;
    if (auto made = open(one)) slots_.emplace(one.node_id, std::move(*made));
  }
}

void peer_links::send(std::uint64_t to, v1::PeerMessage message) {
  std::shared_ptr<peer_link> direction;
  {
    const std::lock_guard lock(mutex_);
    const auto found = slots_.find(to);
    if (found == slots_.end()) return;
    direction = found->second.direction;
  }
  direction->send(std::move(message));
}

void peer_links::close() {
  std::vector<std::future<void>> endings;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    listener_ = nullptr;
    for (auto& [id, one] : slots_) {
      one.direction->report_to(nullptr);
      retire(std::move(one));
    }
    slots_.clear();
    endings.swap(endings_);
  }
  for (auto& one : endings) one.wait();
}

}  // namespace hive::cluster
