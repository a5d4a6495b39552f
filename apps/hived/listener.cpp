#include "apps/hived/listener.hpp"

#include <optional>
#include <utility>

#include <sys/resource.h>

#include <caf/actor_cast.hpp>
#include <caf/io/middleman.hpp>

#include "actors/gate_door.hpp"
#include "actors/service_context.hpp"
#include "config/logging.hpp"
#include "gate/acceptor.hpp"

#include <spdlog/spdlog.h>

namespace hive::apps {
namespace {

/// What envelopes add to the largest request that a facade takes: as a command it is an entry of the log, and that may
/// come in a message of a peer.
constexpr std::uint64_t envelope_bytes_max = 128ULL << 10U;

class plain_listener final : public listener {
 public:
  plain_listener(caf::actor_system& system, node_actor front, std::uint16_t port)
      : system_(system), front_(std::move(front)), port_(port) {}

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] bool is_tls() const override { return false; }
  void reload() override {}
  void close() override { system_.middleman().unpublish(front_, port_); }

 private:
  caf::actor_system& system_;
  node_actor front_;
  std::uint16_t port_;
};

class gate_figures final : public gate::gate_observer {
 public:
  explicit gate_figures(metrics::node_probe& probe) : probe_(probe) {}

  void on_joined(const gate::identity&) override { probe_.gate_joined(); }
  void on_refused(gate::refusal reason) override { probe_.gate_refused(gate::to_string(reason)); }
  void on_connections(std::size_t joined, std::size_t pending) override { probe_.gate_connections(joined, pending); }

 private:
  metrics::node_probe& probe_;
};

class tls_listener final : public listener {
 public:
  tls_listener(caf::actor_system& system, const node_runtime& runtime, std::uint16_t port, metrics::node_probe& probe)
      : figures_(probe), door_(system, runtime.front(), port) {}

  result<void> start(gate::acceptor_options options) {
    options.observer = &figures_;
    options.join = [this](int socket) { return door_.join(socket); };
    auto started = gate::acceptor::start(std::move(options));
    if (!started) return started.failure();
    acceptor_ = std::move(*started);
    return {};
  }

  [[nodiscard]] std::uint16_t port() const override { return acceptor_->port(); }
  [[nodiscard]] bool is_tls() const override { return true; }
  void reload() override { acceptor_->reload(); }
  void close() override { acceptor_->stop_accepting(); }

 private:
  gate_figures figures_;
  basp_door door_;
  std::unique_ptr<gate::acceptor> acceptor_;  // last: it uses the others
};

/// A connection takes three descriptors here, and strangers may hold some for as long as a handshake may take.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

gate::acceptor_options options_of(caf::actor_system& system, const node_runtime& runtime,
                                  const config::node_config& settings, const core::core_limits& limits,
                                  const config::endpoint& where) {
  gate::acceptor_options options;
  options.listen = where;
  options.files = {settings.tls.certificate, settings.tls.key, settings.tls.authority};
  options.limits.connections_max = settings.tls.connections_max;
  options.limits.handshake = std::chrono::milliseconds(settings.tls.handshake_ms);
  options.limits.idle = std::chrono::milliseconds(settings.tls.idle_ms);
  options.limits.payload_bytes_max = static_cast<std::uint32_t>(message_bytes_max(limits) + envelope_bytes_max);
  options.rules =
      make_access_rules(runtime.front(), runtime.directory(), caf::actor_cast<caf::strong_actor_ptr>(runtime.member()));
  options.own_id = wire_id_of(system);
  return options;
}

}  // namespace

result<std::unique_ptr<listener>> listener::open(caf::actor_system& system, const node_runtime& runtime,
                                                 const config::node_config& settings, const core::core_limits& limits,
                                                 metrics::node_probe& probe) {
  const auto where = config::parse_endpoint(settings.node.listen, "node.listen");
  if (!where) return where.failure();
  if (settings.tls.is_on()) {
    raise_descriptor_limit();
    if (gate::is_open_to_others(settings.tls.key))
      config::logger("gate")->warn("others than the owner may read the private key {}: chmod 600", settings.tls.key);
    auto made = std::make_unique<tls_listener>(system, runtime, where->port, probe);
    if (auto started = made->start(options_of(system, runtime, settings, limits, *where)); !started)
      return started.failure();
    return std::unique_ptr<listener>(std::move(made));
  }
  // Said again here, where it counts: CAF's own listener must not be reachable from elsewhere.
  if (!config::is_loopback(where->host))
    return error{errc::invalid_argument, "without TLS only loopback addresses are allowed, not " + where->host,
                 "node.listen"};
  const auto port = system.middleman().publish(runtime.front(), where->port, where->host.c_str(), true);
  if (!port)
    return error{errc::unavailable,
                 "cannot listen on " + settings.node.listen + ": the port is in use, or may not be taken",
                 "node.listen"};
  return std::unique_ptr<listener>(std::make_unique<plain_listener>(system, runtime.front(), *port));
}

}  // namespace hive::apps
