#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/admission.hpp"
#include "actors/cluster_view.hpp"
#include "actors/mailbox_table.hpp"
#include "actors/session_table.hpp"
#include "config/config.hpp"
#include "core/limits.hpp"
#include "metrics/node_probe.hpp"
#include "persistence/store.hpp"

namespace hive {

class peer_network;

/// What all actors of one node share. Made by the composition root, never changed afterwards but for the
/// thread-safe parts. The store and the probe outlive the actor system.
struct service_context {
  config::node_config config;
  core::core_limits limits;
  persistence::store* store = nullptr;
  metrics::node_probe* probe = nullptr;  // null: nothing is measured
  std::string version;
  std::uint64_t incarnation = 0;  // random, one a start
  /// Wall clock, unix ms. The only source of time in commands.
  std::function<std::int64_t()> now_unix_ms;

  std::shared_ptr<admission> work_admission;
  std::shared_ptr<session_table> sessions;
  std::shared_ptr<cluster_view> cluster;  // null: the node stands alone
  std::shared_ptr<peer_network> peers;    // in a cluster
  mailbox_table mailboxes;
  /// Set when the node stops: facades refuse, fronts accept exit messages.
  std::atomic<bool> is_stopping{false};
  /// Since when the ledger of a node that stands alone has been at the batch that it writes; the epoch: at none.
  std::atomic<std::chrono::steady_clock::time_point> writing_since{};
  /// Kept by event_bus, for status.
  std::atomic<std::uint64_t> subscribers{0};
};
using service_context_ptr = std::shared_ptr<service_context>;

/// Where changes go, as this node knows it.
inline v1::Leadership leadership_of(const service_context& context) {
  if (context.cluster) return context.cluster->leadership();
  v1::Leadership alone;
  alone.set_is_leader(true);
  return alone;
}

/// Limits that are told to clients and enforced by the facades.
constexpr std::uint32_t batch_items_max = 10'000;
/// Requests of so many items are worked off where they arrive.
constexpr int brief_items_max = 16;
constexpr std::uint64_t message_overhead_bytes = 1 << 20;
/// A message must hold at least one task with the largest payload.
inline std::uint64_t message_bytes_max(const core::core_limits& limits) {
  return limits.payload_bytes_max + message_overhead_bytes;
}

}  // namespace hive
