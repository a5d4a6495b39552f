#pragma once

#include <cstdint>
#include <memory>

#include <caf/actor_system.hpp>

#include "actors/node_runtime.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "core/limits.hpp"
#include "metrics/node_probe.hpp"

namespace hive::apps {

/// Where clients and workers come in: BASP itself on loopback, or the TLS gate in front of it if the settings name its
/// files.
class listener {
 public:
  /// The runtime, the probe and the system outlive it.
  static result<std::unique_ptr<listener>> open(caf::actor_system& system, const node_runtime& runtime,
                                                const config::node_config& settings, const core::core_limits& limits,
                                                metrics::node_probe& probe);
  virtual ~listener() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual bool is_tls() const = 0;
  /// New connections use the certificate files as they are now.
  virtual void reload() = 0;
  /// No new connections.
  virtual void close() = 0;
};

}  // namespace hive::apps
