#include "cluster/peer_link.hpp"

#include <algorithm>
#include <utility>

#include <caf/actor_cast.hpp>
#include <caf/make_message.hpp>
#include <caf/send.hpp>

#include "actors/local_messages.hpp"
#include "config/logging.hpp"

#include <spdlog/spdlog.h>

namespace hive::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Ample for a node whose machine is busy; one that never answers is found by the link's pings.
constexpr milliseconds hello_timeout{2'000};
constexpr milliseconds backoff_min{50};
constexpr milliseconds backoff_max{800};

}  // namespace

peer_link::peer_link(std::shared_ptr<runtime> shared, peer_network::peer to, v1::PeerHelloRequest hello,
                     caf::strong_actor_ptr listener)
    : runtime_(std::move(shared)),
      to_(std::move(to)),
      hello_(std::move(hello)),
      listener_(std::move(listener)),
      backoff_(backoff_min),
      port_(runtime_, [](const caf::message&) {}) {}

void peer_link::on_link_up(const link_session_ptr& session) {
  {
    const std::lock_guard lock(mutex_);
    // Whoever asks the link itself may be overtaken by it.
    if (is_closed_ || session->generation <= newest_) return;
    newest_ = session->generation;
    tell_down();
    link_session_ = session;
    backoff_ = backoff_min;
  }
  greet(session);
}

void peer_link::on_link_down(const error& why) {
  bool is_new = false;
  bool was_up = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;
    link_session_ = nullptr;
    was_up = receiver_ != nullptr;
    tell_down();
    is_new = trouble_.allows(to_string(why), steady_clock::now());
    if (was_up || is_new) tell_trouble(why);
  }
  if (was_up)
    config::logger("cluster")->warn("peer lost peer={} endpoint={}: {}", to_.node_id, to_.endpoint, to_string(why));
  else if (is_new)
    config::logger("cluster")->warn("peer not reached peer={} endpoint={}: {}; trying on", to_.node_id, to_.endpoint,
                                    to_string(why));
}

void peer_link::greet(const link_session_ptr& session) {
  port_.request(session->directory.cluster_manager, caf::make_message(hello_), steady_clock::now() + hello_timeout,
                [weak = weak_from_this(), session](const result<caf::message>& reply) {
                  if (const auto self = weak.lock()) self->on_greeted(session, reply);
                });
}

void peer_link::on_greeted(const link_session_ptr& session, const result<caf::message>& reply) {
  if (!reply) return on_refused(session, reply.failure());
  if (!reply->match_elements<v1::PeerHelloResponse, caf::strong_actor_ptr>() ||
      !reply->get_as<caf::strong_actor_ptr>(1))
    return on_refused(session, {errc::failed_precondition, "its answer to our hello is of another version", {}});
  const auto& answer = reply->get_as<v1::PeerHelloResponse>(0);
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_ || link_session_ != session) return;
    receiver_ = reply->get_as<caf::strong_actor_ptr>(1);
    session_ = answer.session();
    backoff_ = backoff_min;
    trouble_.forget();
    tell_up();
  }
  config::logger("cluster")->info("peer linked peer={} endpoint={} session={} version={}", to_.node_id, to_.endpoint,
                                  answer.session(), answer.version());
}

void peer_link::on_refused(const link_session_ptr& session, const error& why) {
  milliseconds pause{0};
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_ || link_session_ != session) return;
    pause = backoff_;
    backoff_ = std::min(backoff_ * 2, backoff_max);
    is_new = trouble_.allows(to_string(why), steady_clock::now());
    if (is_new) tell_trouble(why);
  }
  if (is_new)
    config::logger("cluster")->warn("peer refuses this node peer={} endpoint={}: {}; trying on", to_.node_id,
                                    to_.endpoint, to_string(why));
  // What it refuses may be mended over there without the connection ending.
  runtime_->timers().after(pause, [weak = weak_from_this(), session] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex_);
      if (self->is_closed_ || self->link_session_ != session) return;
    }
    self->greet(session);
  });
}

void peer_link::report_to(caf::strong_actor_ptr listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  if (receiver_) tell_up();
}

void peer_link::send(v1::PeerMessage message) {
  // Under the lock, or two messages of two threads could change places.
  const std::lock_guard lock(mutex_);
  if (receiver_) port_.send(receiver_, caf::make_message(std::move(message)));
}

void peer_link::close() {
  const std::lock_guard lock(mutex_);
  tell_down();
  is_closed_ = true;
  link_session_ = nullptr;
  listener_ = nullptr;
}

void peer_link::tell_up() {
  if (listener_) caf::anon_send(caf::actor_cast<caf::actor>(listener_), peer_up{to_.node_id, session_});
}

void peer_link::tell_trouble(const error& why) {
  if (listener_) caf::anon_send(caf::actor_cast<caf::actor>(listener_), peer_trouble{to_.node_id, why.message});
}

void peer_link::tell_down() {
  if (!receiver_) return;
  receiver_ = nullptr;
  if (listener_) caf::anon_send(caf::actor_cast<caf::actor>(listener_), peer_down{to_.node_id});
}

}  // namespace hive::cluster
