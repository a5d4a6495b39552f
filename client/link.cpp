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

#include "actors/basp_mending.hpp"
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
constexpr milliseconds refused_pause{5'000};
/// Of each of these steps while there are other nodes to try.
constexpr milliseconds hasty_timeout{1'000};
/// A node that knows of no leader is asked again after these intervals, each twice the one before, and for so long:
/// longer than an election takes. Leadership that is handed over is news within milliseconds.
constexpr milliseconds news_interval_min{5};
constexpr milliseconds news_interval_max{100};
/// A session that lasted so long was a good one: the intervals begin with the shortest again.
constexpr milliseconds settled_after{1'000};
constexpr milliseconds news_patience{2'000};

v1::Leadership leadership_in(const v1::HelloResponse& hello) {
  if (hello.has_leadership()) return hello.leadership();
  v1::Leadership alone;
  alone.set_is_leader(true);
  return alone;
}

error describe_follower(const std::string& node, const std::string& leader) {
  return {errc::unavailable,
          node + (leader.empty() ? " does not lead and knows of no leader: an election is on, or most nodes are missing"
                                 : " does not lead, but says that " + leader + " does"),
          {}};
}

/// What can be known without a node, so that a mistake in the files is not taken for trouble with the network.
result<void> check_files(const gate::tls_files& files) {
  const auto checked = gate::tunnel::check(files);
  if (checked) return {};
  error failure = checked.failure();
  if (!failure.field.empty()) failure.field = "client.tls_" + failure.field;
  if (failure.code == errc::unavailable) failure.code = errc::invalid_argument;  // it is there, and cannot be read
  return failure;
}

}  // namespace

result<std::shared_ptr<link>> link::open(const config::client_config& settings) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<link>> open_links;
  auto addresses = config::parse_endpoints(settings.endpoint, "client.endpoint");
  if (!addresses) return addresses.failure();
  if (settings.prefer != "leader" && settings.prefer != "any")
    return error{errc::invalid_argument, "must be leader or any", "client.prefer"};
  options how;
  how.endpoints = std::move(*addresses);
  how.aim = settings.prefer == "any" ? link_aim::any : link_aim::leader;
  std::string key = settings.prefer + '\n' + config::to_string(how.endpoints);
  if (!settings.tls_certificate.empty()) {
    auto& security = how.security.emplace();
    security.files = {settings.tls_certificate, settings.tls_key, settings.tls_authority};
    security.server_name = settings.tls_server_name;
    security.timeout = connect_timeout;
    const auto& files = security.files;
    for (const auto& part : {files.certificate, files.key, files.authority, security.server_name}) key += '\n' + part;
  }
  std::lock_guard lock(mutex);
  auto& known = open_links[key];
  if (auto shared = known.lock()) return shared;
  if (how.security) {
    if (auto checked = check_files(how.security->files); !checked) return checked.failure();
  }
  auto made = make(runtime::instance(), std::move(how));
  known = made;
  return made;
}

std::shared_ptr<link> link::make(std::shared_ptr<runtime> shared, options how) {
  const auto end = [](link* one) {
    std::shared_ptr<link> owned(one);
    if (!service_thread::is_here()) return;
    auto& errands = one->runtime_->errands();
    errands.after(milliseconds{0}, [owned = std::move(owned)] {});
  };
  return {new link(std::move(shared), std::move(how)), end};
}

link::link(std::shared_ptr<runtime> shared, options how)
    : runtime_(std::move(shared)),
      how_(std::move(how)),
      endpoints_(config::to_string(how_.endpoints)),
      search_(how_.endpoints),
      port_(
          runtime_, [](const caf::message&) {}, [this](const caf::actor_addr& source) { on_down(source); }),
      thread_([this] { run(); }) {}

link::~link() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  const error closed{errc::unavailable, "the client was closed", {}};
  port_.fail_all(closed);
  thread_.join();
  port_.close(closed);
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

void link::on_not_leader(std::uint64_t generation, const std::string& leader) {
  if (how_.aim != link_aim::leader) return;
  {
    std::lock_guard lock(mutex_);
    if (!session_ || session_->generation != generation) return;
    session_ = nullptr;  // calls wait from now on, before the link's thread has looked
    told_.emplace().set_endpoint(leader);
  }
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
  runtime_->errands().after(milliseconds{0}, [alive = std::move(alive)] {});
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
  while (true) {
    const auto step = search_.next();
    if (!pause(step.pause)) return;
    auto greeted = connect_and_greet(step);
    if (greeted)
      use(**greeted, step.to);
    else
      fail_connecting(step.to, explain(greeted.failure()));
    {
      std::lock_guard lock(mutex_);
      watched_ = nullptr;
    }
    close_socket();
  }
}

void link::fail_connecting(const config::endpoint& to, const error& failure) {
  search_.on_unreachable(to, failure.code == errc::failed_precondition);
  const bool is_refused = search_.is_refused_by_all();
  error why = failure;
  if (how_.endpoints.size() > 1) why.message = config::to_string(to) + ": " + why.message;
  {
    std::lock_guard lock(mutex_);
    trouble_ = {why, is_refused};
  }
  notify([&](link_observer& one) { one.on_link_down(why); });
  if (is_refused) pause(refused_pause);
}

bool link::is_aimed_at(const v1::Leadership& told) const { return how_.aim != link_aim::leader || told.is_leader(); }

void link::use(const link_session& greeted, const config::endpoint& at) {
  v1::Leadership told = leadership_in(greeted.hello);
  bool is_news = false;
  milliseconds interval = news_interval_min;
  while (true) {
    if (how_.aim != link_aim::this_node) search_.learn(told);
    if (is_aimed_at(told)) {
      const auto since = std::chrono::steady_clock::now();
      auto demoted = serve(greeted, at, told);
      if (!demoted) return;
      if (std::chrono::steady_clock::now() - since >= settled_after) interval = news_interval_min;
      told = std::move(*demoted);
      is_news = false;
    }
    {
      std::lock_guard lock(mutex_);
      trouble_ = {describe_follower(greeted.endpoint, told.endpoint()), false};
    }
    if (search_.on_follower(at, told.endpoint(), is_news)) return;
    auto news = await_news(greeted, told, interval);
    if (!news) return;
    told = std::move(*news);
    is_news = true;
  }
}

std::optional<v1::Leadership> link::serve(const link_session& greeted, const config::endpoint& at,
                                          const v1::Leadership& told) {
  auto session = std::make_shared<link_session>(greeted);
  *session->hello.mutable_leadership() = told;
  {
    std::lock_guard lock(mutex_);
    session->generation = ++generation_;
    told_.reset();
    if (!lost_) session_ = session;
    trouble_ = {};
  }
  const auto since = std::chrono::steady_clock::now();
  notify([&](link_observer& one) { one.on_link_up(session); });
  auto [why, demoted] = watch(*session);
  {
    std::lock_guard lock(mutex_);
    session_ = nullptr;
    trouble_ = {why, false};
  }
  search_.on_session_over(at, std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - since));
  notify([&, &why = why](link_observer& one) { one.on_link_down(why); });
  return std::move(demoted);
}

std::optional<v1::Leadership> link::await_news(const link_session& greeted, const v1::Leadership& told,
                                               milliseconds& interval) {
  const auto end = std::chrono::steady_clock::now() + news_patience;
  std::string named = told.endpoint();
  while (std::chrono::steady_clock::now() < end) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, interval, [this] { return stopping_ || lost_.has_value(); })) return {};
    }
    interval = std::min(2 * interval, news_interval_max);
    auto reply = ask(greeted.node, caf::make_message(v1::PingRequest{}), hasty_timeout);
    if (!reply || !reply->match_elements<v1::PingResponse>()) return {};
    const auto& pong = reply->get_as<v1::PingResponse>(0);
    const auto& now = pong.leadership();
    if (now.is_leader() || (!now.endpoint().empty() && now.endpoint() != named)) return now;
    named = now.endpoint();
  }
  return {};
}

result<std::shared_ptr<link_session>> link::connect_and_greet(const endpoint_search::step& step) {
  const auto within = [&](milliseconds usual) {
    return step.has_alternatives ? std::min(usual, hasty_timeout) : usual;
  };
  auto socket = connect(step.to, within(connect_timeout));
  if (!socket) return socket.failure();
  auto node = hand_over(*socket, step.to.port, within(handshake_timeout));
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
  auto reply = ask(*node, caf::make_message(std::move(request)), within(hello_timeout));
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
  session->endpoint = config::to_string(step.to);
  return session;
}

result<int> link::connect(const config::endpoint& to, milliseconds timeout) {
  auto socket = connect_socket(to, timeout);
  if (!socket || !how_.security) return socket;
  auto security = *how_.security;
  security.timeout = timeout;
  if (security.server_name.empty()) security.server_name = to.host;
  auto secure = gate::tunnel::open(*socket, security);
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

result<caf::strong_actor_ptr> link::hand_over(int socket, std::uint16_t port, milliseconds timeout) {
  {
    std::lock_guard lock(mutex_);
    socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  }
  auto scribe = runtime_->system().middleman().backend().new_scribe(socket);
  expect_handshake(runtime_->system(), runtime_->basp(), scribe->hdl());
  auto reply = ask(caf::actor_cast<caf::strong_actor_ptr>(runtime_->basp()),
                   caf::make_message(caf::connect_atom::value, std::move(scribe), port), timeout);
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

std::pair<error, std::optional<v1::Leadership>> link::watch(const link_session& session) {
  for (std::uint64_t nonce = 1;; ++nonce) {
    const auto ping_due = std::chrono::steady_clock::now() + ping_interval;
    for (bool is_due = false; !is_due;) {
      std::unique_lock lock(mutex_);
      is_due = !changed_.wait_until(lock, ping_due, [this] { return stopping_ || lost_ || told_; });
      if (stopping_) return {{errc::unavailable, "the client was closed", {}}, {}};
      if (lost_) return {*lost_, {}};
      if (!told_) continue;
      const auto told = *std::exchange(told_, std::nullopt);
      lock.unlock();
      if (!is_aimed_at(told)) return {describe_follower(session.endpoint, told.endpoint()), told};
      if (how_.aim != link_aim::this_node) search_.learn(told);
    }
    // On its own callback, so that a lost connection is noticed while the ping is on its way.
    v1::PingRequest ping;
    ping.set_nonce(nonce);
    port_.request(
        session.node, caf::make_message(std::move(ping)), std::chrono::steady_clock::now() + ping_timeout,
        [this, generation = session.generation](result<caf::message> reply) {
          std::lock_guard lock(mutex_);
          if (!session_ || session_->generation != generation) return;
          if (!reply)
            lost_ = error{errc::unavailable, "the node does not answer", {}};
          else if (reply->match_elements<v1::PingResponse>() && reply->get_as<v1::PingResponse>(0).has_leadership())
            told_ = reply->get_as<v1::PingResponse>(0).leadership();
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
