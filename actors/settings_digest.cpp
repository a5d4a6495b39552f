#include "actors/settings_digest.hpp"

#include <initializer_list>

namespace hive {

/// FNV-1a.
std::uint64_t settings_digest_of(const core::core_limits& limits) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](std::uint64_t value) {
    for (int i = 0; i < 8; ++i) {
      hash = (hash ^ (value & 0xFF)) * 1099511628211ULL;
      value >>= 8U;
    }
  };
  for (const std::int64_t value : {limits.retention_ms, limits.cancel_grace_ms, limits.backoff_initial_ms,
                                   limits.backoff_max_ms, limits.plan_upload_ms, limits.event_retention_ms})
    add(static_cast<std::uint64_t>(value));
  for (const std::uint64_t value :
       {std::uint64_t{limits.payload_bytes_max}, std::uint64_t{limits.log_bytes_max},
        std::uint64_t{limits.retry_attempts}, std::uint64_t{limits.poison_workers_lost},
        std::uint64_t{limits.plan_steps_max}, std::uint64_t{limits.workers_max}, std::uint64_t{limits.events_max}})
    add(value);
  return hash;
}

}  // namespace hive
