#include "client/link.hpp"

#include <algorithm>
#include <future>
#include <map>
#include <set>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/actor_cast.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <caf/io/scribe.hpp>
#include <caf/make_message.hpp>
#include <caf/node_id.hpp>

#include "client/connect_socket.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds connect_timeout{3'000};
constexpr milliseconds handshake_timeout{3'000};
// Ample for a node whose machine is busy; a handle that never answers is what this must find.
constexpr milliseconds hello_timeout{2'000};
constexpr milliseconds ping_interval{2'000};
constexpr milliseconds ping_timeout{3'000};
constexpr milliseconds backoff_min{50};
constexpr milliseconds backoff_max{800};
constexpr milliseconds refused_pause{5'000};

}  // namespace

result<std::shared_ptr<link>> link::open(const config::client_config& settings) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<link>> open_links;
  auto address = config::parse_endpoint(settings.endpoint, "client.endpoint");
  if (!address) return address.failure();
  if (address->port == 0) return error{errc::invalid_argument, "port 0 cannot be connected to", "client.endpoint"};
  std::string key = config::to_string(*address);
  std::optional<gate::tunnel::options> security;
  if (!settings.tls_certificate.empty()) {
    security.emplace();
    security->files = {settings.tls_certificate, settings.tls_key, settings.tls_authority};
    security->server_name = settings.tls_server_name.empty() ? address->host : settings.tls_server_name;
    security->timeout = connect_timeout;
    const auto& files = security->files;
    for (const auto& part : {files.certificate, files.key, files.authority, security->server_name}) key += '\n' + part;
  }
  std::lock_guard lock(mutex);
  auto& known = open_links[key];
  if (auto shared = known.lock()) return shared;
  auto made = std::make_shared<link>(runtime::instance(), *address, std::move(security));
  known = made;
  return made;
}

link::link(std::shared_ptr<runtime> shared, config::endpoint address, std::optional<gate::tunnel::options> security)
    : runtime_(std::move(shared)),
      address_(std::move(address)),
      security_(std::move(security)),
      port_(
          runtime_, [](const caf::message&) {}, [this](const caf::actor_addr& source) { on_down(source); }),
      thread_([this] { run(); }) {}

link::~link() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  port_.fail_all({errc::unavailable, "the client was closed", {}});
  thread_.join();
}

void link::observe(std::weak_ptr<link_observer> observer) {
  std::lock_guard lock(mutex_);
  std::erase_if(observers_, [](const auto& one) { return one.expired(); });
  observers_.push_back(std::move(observer));
}

link_session_ptr link::current() const {
  std::lock_guard lock(mutex_);
  return session_;
}

link::trouble link::last_trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
}

void link::reset(const error& why) {
  std::lock_guard lock(mutex_);
  if (!session_) return;
  lost_ = why;
  changed_.notify_all();
}

void link::notify(const std::function<void(link_observer&)>& tell) {
  std::vector<std::shared_ptr<link_observer>> alive;
  {
    std::lock_guard lock(mutex_);
    for (const auto& weak : observers_) {
      if (auto one = weak.lock()) alive.push_back(std::move(one));
    }
  }
  for (const auto& one : alive) tell(*one);
  // An observer owns its link: the last reference must not be dropped on the link's own thread.
  runtime_->timers().after(milliseconds{0}, [alive = std::move(alive)] {});
}

void link::on_down(const caf::actor_addr& source) {
  const error why{errc::unavailable, "the connection was lost", {}};
  {
    std::lock_guard lock(mutex_);
    if (source != watched_) return;
    lost_ = why;
  }
  changed_.notify_all();
  port_.fail_all(why);
}

bool link::pause(milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_; });
  return !stopping_;
}

void link::run() {
  milliseconds backoff = backoff_min;
  while (pause(milliseconds{0})) {
    auto session = connect_and_greet();
    if (!session) {
      const error why = explain(session.failure());
      close_socket();
      const bool is_refused = why.code == errc::failed_precondition;
      {
        std::lock_guard lock(mutex_);
        watched_ = nullptr;
        trouble_ = {why, is_refused};
      }
      notify([&](link_observer& one) { one.on_link_down(why); });
      if (!pause(is_refused ? refused_pause : backoff)) return;
      backoff = std::min(backoff * 2, backoff_max);
      continue;
    }
    backoff = backoff_min;
    notify([&](link_observer& one) { one.on_link_up(*session); });
    const error why = watch(**session);
    {
      std::lock_guard lock(mutex_);
      session_ = nullptr;
      watched_ = nullptr;
      trouble_ = {why, false};
    }
    close_socket();
    notify([&](link_observer& one) { one.on_link_down(why); });
    if (!pause(backoff)) return;
  }
}

result<link_session_ptr> link::connect_and_greet() {
  auto socket = connect();
  if (!socket) return socket.failure();
  auto node = hand_over(*socket);
  if (!node) return node.failure();
  {
    std::lock_guard lock(mutex_);
    watched_ = caf::actor_cast<caf::actor_addr>(*node);
    lost_.reset();
  }
  port_.monitor(*node);
  v1::HelloRequest request;
  request.set_protocol_version(protocol_version);
  request.set_client("hive C++ SDK");
  request.set_incarnation(runtime_->incarnation());
  auto reply = ask(*node, caf::make_message(std::move(request)), hello_timeout);
  if (!reply) return reply.failure();
  if (!reply->match_elements<v1::HelloResponse, node_directory>())
    return error{errc::failed_precondition, "the node's hello is of another protocol", {}};
  auto session = std::make_shared<link_session>();
  session->hello = reply->get_as<v1::HelloResponse>(0);
  session->directory = reply->get_as<node_directory>(1);
  session->node = *node;
  const auto& front = session->directory;
  if (session->hello.protocol_version() != protocol_version || !front.task_manager || !front.worker_registry ||
      !front.dispatcher || !front.plan_supervisor || !front.event_bus || !front.cluster_manager)
    return error{errc::failed_precondition, "the node speaks another protocol version", {}};
  std::lock_guard lock(mutex_);
  if (lost_) return *lost_;
  session->generation = ++generation_;
  session_ = session;
  trouble_ = {};
  return link_session_ptr(session);
}

result<int> link::connect() {
  auto socket = connect_socket(address_, connect_timeout);
  if (!socket || !security_) return socket;
  auto secure = gate::tunnel::open(*socket, *security_);
  if (!secure) return secure.failure();
  tunnel_ = std::move(*secure);
  return tunnel_->take_socket();
}

error link::explain(const error& failure) const {
  if (failure.code != errc::unavailable) return failure;
  if (tunnel_) {
    const std::string why = tunnel_->ended_by_peer();
    return why.empty() ? failure : error{errc::unavailable, "the node ended the TLS connection: " + why, {}};
  }
  const bool is_hung_up = failure.message.find("disconnect_during_handshake") != std::string::npos;
  if (!is_hung_up) return failure;
  return {failure.code, failure.message + "; does the node speak TLS? Then client.tls_certificate must be set", {}};
}

result<caf::strong_actor_ptr> link::hand_over(int socket) {
  {
    std::lock_guard lock(mutex_);
    socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  }
  auto scribe = runtime_->system().middleman().backend().new_scribe(socket);
  auto reply = ask(caf::actor_cast<caf::strong_actor_ptr>(runtime_->basp()),
                   caf::make_message(caf::connect_atom::value, std::move(scribe), address_.port), handshake_timeout);
  if (!reply) return reply.failure();
  if (!reply->match_elements<caf::node_id, caf::strong_actor_ptr, std::set<std::string>>())
    return error{errc::internal, "BASP answered something else", {}};
  auto node = reply->get_as<caf::strong_actor_ptr>(1);
  if (!node) return error{errc::unavailable, "no node is published at this port", {}};
  auto interface = runtime_->system().message_types<node_actor>();
  auto offered = reply->get_as<std::set<std::string>>(2);
  if (!std::includes(offered.begin(), offered.end(), interface.begin(), interface.end()))
    return error{errc::failed_precondition, "what listens there is not a hive node of this protocol", {}};
  return node;
}

result<caf::message> link::ask(const caf::strong_actor_ptr& to, caf::message content, milliseconds timeout) {
  auto answer = std::make_shared<std::promise<result<caf::message>>>();
  auto ready = answer->get_future();
  const auto number = port_.request(to, std::move(content), std::chrono::steady_clock::now() + timeout,
                                    [answer](result<caf::message> reply) { answer->set_value(std::move(reply)); });
  bool is_over = false;
  {
    std::lock_guard lock(mutex_);
    is_over = stopping_;
  }
  if (is_over) port_.fail(number, {errc::unavailable, "the client was closed", {}});
  return ready.get();
}

error link::watch(const link_session& session) {
  for (std::uint64_t nonce = 1;; ++nonce) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, ping_interval, [this] { return stopping_ || lost_.has_value(); });
      if (stopping_) return {errc::unavailable, "the client was closed", {}};
      if (lost_) return *lost_;
    }
    // On its own callback, so that a lost connection is noticed while the ping is on its way.
    v1::PingRequest ping;
    ping.set_nonce(nonce);
    port_.request(session.node, caf::make_message(std::move(ping)), std::chrono::steady_clock::now() + ping_timeout,
                  [this, generation = session.generation](const result<caf::message>& reply) {
                    if (reply) return;
                    std::lock_guard lock(mutex_);
                    if (!session_ || session_->generation != generation) return;
                    lost_ = error{errc::unavailable, "the node does not answer", {}};
                    changed_.notify_all();
                  });
  }
}

void link::close_socket() {
  {
    std::lock_guard lock(mutex_);
    if (socket_ >= 0) {
      ::shutdown(socket_, SHUT_RDWR);
      ::close(socket_);
      socket_ = -1;
    }
  }
  tunnel_.reset();
}

}  // namespace hive
