#include "gate/acceptor_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "config/logging.hpp"

namespace hive::gate {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t listener_key = 0;
constexpr std::uint64_t wake_key = 1;
constexpr std::uint64_t first_connection = 2;

constexpr std::size_t events_max = 64;
constexpr int accepts_at_once = 64;
/// A handshake costs up to a millisecond of arithmetic; the traffic of others must not wait for a crowd of them.
constexpr std::size_t handshakes_at_once = 2;
constexpr milliseconds sweep_interval{500};
constexpr std::uint64_t log_lines_max = 50;
constexpr milliseconds log_window{10'000};
constexpr std::uint8_t tls_handshake_record = 0x16;
constexpr std::uint32_t large_frame_bytes_min = 64U << 10U;
constexpr std::uint32_t traffic_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

std::string address_of(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const auto* const where = reinterpret_cast<const sockaddr*>(&address);
  const int numeric = NI_NUMERICHOST | NI_NUMERICSERV;
  if (::getnameinfo(where, size, host.data(), host.size(), port.data(), port.size(), numeric) != 0) return "unknown";
  const bool needs_brackets = std::strchr(host.data(), ':') != nullptr;
  return (needs_brackets ? "[" : "") + std::string(host.data()) + (needs_brackets ? "]:" : ":") + port.data();
}

void set_options(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

result<std::unique_ptr<acceptor_loop>> acceptor_loop::make(acceptor_options options,
                                                           std::shared_ptr<const tls_context> context, int listener) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const int wake = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  // From here on its destructor closes all three.
  std::unique_ptr<acceptor_loop> made(new acceptor_loop(std::move(options), std::move(context), listener, poll, wake));
  if (poll < 0 || wake < 0 || !made->watch(listener, listener_key, EPOLLIN, EPOLL_CTL_ADD) ||
      !made->watch(wake, wake_key, EPOLLIN, EPOLL_CTL_ADD))
    return error{errc::unavailable, std::string("cannot watch sockets: ") + std::strerror(errno), {}};
  return made;
}

acceptor_loop::acceptor_loop(acceptor_options options, std::shared_ptr<const tls_context> context, int listener,
                             int poll, int wake)
    : options_(std::move(options)),
      context_(std::move(context)),
      listener_(listener),
      poll_(poll),
      wake_(wake),
      next_id_(first_connection),
      now_(clock::now()),
      next_sweep_(now_ + sweep_interval),
      files_(options_.files),
      log_limit_(log_lines_max, log_window) {}

acceptor_loop::~acceptor_loop() {
  for (const int one : {listener_, poll_, wake_}) {
    if (one >= 0) ::close(one);
  }
}

void acceptor_loop::order(std::uint32_t what) {
  orders_.fetch_or(what);
  const std::uint64_t one = 1;
  // Can only fail when it is awake already.
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

// The loop.

void acceptor_loop::run() {
  while (!is_stopping_) {
    wait_and_dispatch();
    work_queues();
    if (now_ >= next_sweep_) sweep();
  }
  finish_all();
}

int acceptor_loop::wait_ms() const {
  if (!busy_.empty() || !shaking_.empty()) return 0;
  const auto left = std::chrono::ceil<milliseconds>(next_sweep_ - clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void acceptor_loop::wait_and_dispatch() {
  std::array<epoll_event, events_max> events{};
  const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_ms());
  now_ = clock::now();
  for (int at = 0; at < count; ++at) {
    const std::uint64_t key = events[static_cast<std::size_t>(at)].data.u64;
    if (key == listener_key) {
      accept_some();
    } else if (key == wake_key) {
      on_orders();
    } else if (auto* const one = find(key)) {  // an earlier event may have ended it
      on_event(*one);
    }
  }
}

void acceptor_loop::on_orders() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(wake_, &count, sizeof count);
  const std::uint32_t orders = orders_.exchange(0);
  if ((orders & order_reload) != 0) load_files();
  if ((orders & (order_close_listener | order_stop)) != 0 && listener_ >= 0) {
    ::close(listener_);  // epoll forgets it
    listener_ = -1;
  }
  is_stopping_ = (orders & order_stop) != 0;
}

void acceptor_loop::work_queues() {
  // Those that were put off while this goes on come after the next look at the sockets.
  for (const connection_id id : std::exchange(busy_, {})) {
    auto* const one = find(id);
    if (one == nullptr) continue;
    one->is_queued = false;
    step(*one);
  }
  for (std::size_t done = 0; done < handshakes_at_once && !shaking_.empty(); ++done) {
    auto* const one = find(shaking_.front());
    shaking_.pop_front();
    if (one == nullptr) continue;
    one->is_queued = false;
    shake(*one);
  }
}

void acceptor_loop::finish_all() {
  for (auto& [id, one] : connections_) {
    if (one.traffic) one.traffic->step();  // the last answers
    if (one.socket >= 0) ::close(one.socket);
  }
  connections_.clear();
}

acceptor_loop::connection* acceptor_loop::find(connection_id id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : &found->second;
}

bool acceptor_loop::watch(int socket, std::uint64_t key, std::uint32_t events, int operation) const {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.u64 = key;
  return ::epoll_ctl(poll_, operation, socket, &wanted) == 0;
}

void acceptor_loop::set_listening(bool is_listening) {
  if (listener_ < 0 || is_listening == is_listening_) return;
  is_listening_ = is_listening;
  watch(listener_, listener_key, is_listening ? std::uint32_t{EPOLLIN} : 0U, EPOLL_CTL_MOD);
}

// The life of a connection.

void acceptor_loop::accept_some() {
  for (int count = 0; count < accepts_at_once && listener_ >= 0; ++count) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int socket = ::accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return on_accept_failure(errno);
    }
    set_options(socket);
    add(socket, address_of(address, size));
  }
}

/// Most likely there are no file descriptors left: the listener would report the same connection for ever.
void acceptor_loop::on_accept_failure(int reason) {
  if (may_log()) config::logger("gate")->error("cannot accept: {}", std::strerror(reason));
  if (auto* const oldest = pending_.empty() ? nullptr : find(*pending_.begin())) {
    end(*oldest, {refusal::too_many_connections, "no file descriptors are left"});
  }
  set_listening(false);  // until the next sweep
}

void acceptor_loop::add(int socket, std::string address) {
  if (pending_.size() >= options_.limits.pending_max) {
    if (auto* const oldest = find(*pending_.begin()))
      end(*oldest, {refusal::too_many_connections, "too many connections without a handshake"});
  }
  connection& one = connections_[next_id_];
  one.id = next_id_++;
  one.socket = socket;
  one.address = std::move(address);
  one.deadline = now_ + options_.limits.handshake;
  pending_.insert(one.id);
  if (!watch(socket, one.id, EPOLLIN | EPOLLRDHUP | EPOLLET, EPOLL_CTL_ADD))
    end(one, {refusal::internal, std::strerror(errno)});
}

void acceptor_loop::on_event(connection& one) {
  switch (one.where) {
    case stage::silent:
      return on_first_byte(one);
    case stage::shaking:
      if (!std::exchange(one.is_queued, true)) shaking_.push_back(one.id);
      return;
    case stage::greeting:
    case stage::joined:
      return step(one);
  }
}

/// TLS costs memory and time; who says nothing gets neither.
void acceptor_loop::on_first_byte(connection& one) {
  std::uint8_t first = 0;
  const ssize_t count = ::recv(one.socket, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (count <= 0) return end(one, {refusal::none, "closed without a word"});
  if (first != tls_handshake_record)
    return end(one, {refusal::plain_client, "does not speak TLS: its settings lack client.tls_certificate"});
  auto stream = tls_stream::make(context_, std::exchange(one.socket, -1));
  if (!stream) return end(one, {refusal::internal, stream.failure().message});
  one.stream = std::make_unique<tls_stream>(std::move(*stream));
  one.where = stage::shaking;
  watch(one.stream->socket(), one.id, traffic_events, EPOLL_CTL_MOD);  // an event at once, if it is ready
}

void acceptor_loop::shake(connection& one) {
  switch (one.stream->handshake()) {
    case tls_stream::progress::blocked:
      return;
    case tls_stream::progress::done:
      return admit(one);
    case tls_stream::progress::closed:
    case tls_stream::progress::failed:
      one.subject = one.stream->peer_subject();
      return end(one, one.stream->failure());
  }
}

void acceptor_loop::admit(connection& one) {
  one.subject = one.stream->peer_subject();
  auto who = one.stream->peer();
  if (!who) return end(one, {refusal::wrong_identity, who.failure().message});
  one.who = std::move(*who);
  if (admitted_ >= options_.limits.connections_max)
    return end(one, {refusal::too_many_connections,
                     std::to_string(options_.limits.connections_max) + " connections are open"});
  frame_check::options check;
  check.protects = frame_check::side::node;
  check.payload_bytes_max = options_.limits.payload_bytes_max;
  check.own_id = options_.own_id;
  check.rules = options_.rules.get();
  check.roles = one.who.roles;
  one.traffic = std::make_unique<relay>(std::move(*std::exchange(one.stream, nullptr)), check);
  one.where = stage::greeting;
  pending_.erase(one.id);
  ++admitted_;
  step(one);
}

void acceptor_loop::step(connection& one) {
  const auto outcome = one.traffic->step();
  for (const auto& denied : one.traffic->take_denied()) deny(one, denied);
  if (outcome == relay::outcome::ended) return end(one, one.traffic->why());
  if (!is_within_budget(one)) return end(one, {refusal::overloaded, "too many large frames are under way"});
  const bool is_new = one.where == stage::greeting && one.traffic->incoming().peer().has_value();
  if (is_new && !join(one)) return;
  if (outcome == relay::outcome::busy || is_new) enqueue(one);
}

/// False: it was ended.
bool acceptor_loop::join(connection& one) {
  const auto& process = *one.traffic->incoming().peer();
  auto& held = claims_[process];
  const std::string holder = one.who.text();
  if (held.connections > 0 && held.holder != holder) {
    end(one, {refusal::identity_taken, "says it is a process of " + held.holder});
    return false;
  }
  held.holder = holder;
  ++held.connections;
  one.claimed = process;
  const plain_pair pair = make_plain_pair();
  if (pair.ours < 0) {
    end(one, {refusal::internal, std::strerror(errno)});
    return false;
  }
  one.traffic->attach(pair.ours);
  if (const auto joined = options_.join(pair.theirs); !joined) {
    end(one, {refusal::internal, joined.failure().message});
    return false;
  }
  one.where = stage::joined;
  one.seen.received_at = one.seen.sent_at = one.seen.frame_at = now_;
  if (!watch(pair.ours, one.id, traffic_events, EPOLL_CTL_ADD)) {
    end(one, {refusal::internal, std::strerror(errno)});
    return false;
  }
  config::logger("gate")->debug("connected peer={} who=\"{}\"", one.address, holder);
  if (options_.observer != nullptr) options_.observer->on_joined(one.who);
  return true;
}

void acceptor_loop::deny(connection& one, const denied_message& denied) {
  const error why = describe_denied(denied, one.who.roles);
  const refusal reason = denied.why == denial::too_large ? refusal::too_large : refusal::forbidden_message;
  if (options_.observer != nullptr) options_.observer->on_refused(reason);
  if (may_log())
    config::logger("gate")->warn("refused peer={} reason={} who=\"{}\" detail=\"{}\"", one.address, to_string(reason),
                                 one.who.text(), why.message);
  auto answer = answer_denied(denied, why);
  // A peer that asks without reading gets no answer either.
  if (!answer.empty() && one.traffic->answer(std::move(answer))) enqueue(one);
}

/// BASP allocates a frame's whole payload by its header.
bool acceptor_loop::is_within_budget(connection& one) {
  const std::uint32_t under_way = one.traffic->incoming().passing_bytes();
  const std::uint32_t large = under_way >= large_frame_bytes_min ? under_way : 0;
  large_bytes_ = large_bytes_ - one.large_bytes + large;
  one.large_bytes = large;
  return large == 0 || large_bytes_ <= options_.limits.large_frames_bytes_max;
}

void acceptor_loop::enqueue(connection& one) {
  if (!std::exchange(one.is_queued, true)) busy_.push_back(one.id);
}

void acceptor_loop::end(connection& one, const ending& why) {
  if (why.reason == refusal::none) {
    config::logger("gate")->debug("closed peer={} detail=\"{}\"", one.address, why.detail);
  } else {
    if (options_.observer != nullptr) options_.observer->on_refused(why.reason);
    if (may_log())
      config::logger("gate")->warn("refused peer={} reason={} who=\"{}\" subject=\"{}\" detail=\"{}\"", one.address,
                                   to_string(why.reason), one.who.roles.is_empty() ? "" : one.who.text(), one.subject,
                                   why.detail);
  }
  forget(one);
}

void acceptor_loop::forget(connection& one) {
  large_bytes_ -= one.large_bytes;
  if (one.claimed) {
    const auto held = claims_.find(*one.claimed);
    if (--held->second.connections == 0) claims_.erase(held);
  }
  if (one.where == stage::greeting || one.where == stage::joined) --admitted_;
  pending_.erase(one.id);
  if (one.socket >= 0) ::close(one.socket);
  connections_.erase(one.id);
}

// Now and then.

void acceptor_loop::sweep() {
  next_sweep_ = now_ + sweep_interval;
  set_listening(true);
  for (auto next = connections_.begin(); next != connections_.end();) {
    connection& one = (next++)->second;
    const ending why = find_overdue(one, now_);
    if (why.reason != refusal::none) end(one, why);
  }
  if (files_.has_changed()) load_files();
  if (const auto count = log_limit_.take_left_out(now_); count > 0)
    config::logger("gate")->warn("{} more refusals were not logged", count);
  report_connections();
}

ending acceptor_loop::find_overdue(connection& one, clock::time_point now) const {
  const auto& limits = options_.limits;
  if (one.where != stage::joined) {
    if (now < one.deadline) return {};
    return {refusal::handshake_timeout,
            one.where == stage::silent ? "said nothing"
                                       : "did not finish within " + std::to_string(limits.handshake.count()) + " ms"};
  }
  const relay& traffic = *one.traffic;
  auto& seen = one.seen;
  if (std::exchange(seen.received, traffic.received_bytes()) != traffic.received_bytes()) seen.received_at = now;
  if (std::exchange(seen.sent, traffic.sent_bytes()) != traffic.sent_bytes() || !traffic.has_unsent())
    seen.sent_at = now;
  if (std::exchange(seen.frames, traffic.incoming().frames()) != traffic.incoming().frames() ||
      !traffic.incoming().is_within_frame())
    seen.frame_at = now;
  if (traffic.is_held_up()) seen.received_at = seen.frame_at = now;  // not the peer's fault
  if (now - seen.received_at >= limits.idle) return {refusal::idle, "said nothing, not even a heartbeat"};
  if (now - seen.sent_at >= limits.not_reading) return {refusal::not_reading, "takes nothing of what is sent to it"};
  if (now - seen.frame_at >= limits.frame) return {refusal::slow_frame, "a frame did not end"};
  if (std::time(nullptr) > one.who.valid_until_unix_s) return {refusal::expired_certificate, "expired while connected"};
  return {};
}

void acceptor_loop::load_files() {
  auto loaded = tls_context::load(options_.files, tls_end::server);
  const auto logger = config::logger("gate");
  if (!loaded) {
    logger->error("the certificate in use stays: {}", loaded.failure().message);
  } else if ((*loaded)->own().cluster != context_->own().cluster) {
    logger->error("the certificate in use stays: the new one is for cluster {}, not {}", (*loaded)->own().cluster,
                  context_->own().cluster);
  } else {
    context_ = std::move(*loaded);
    logger->info("new connections use the certificate of {}, valid until unix_s={}", context_->own().text(),
                 context_->own().valid_until_unix_s);
  }
}

void acceptor_loop::report_connections() {
  if (options_.observer != nullptr) options_.observer->on_connections(admitted_, pending_.size());
}

bool acceptor_loop::may_log() { return log_limit_.allows(now_); }

}  // namespace hive::gate
