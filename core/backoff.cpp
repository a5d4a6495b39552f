#include "core/backoff.hpp"

#include <algorithm>
#include <limits>

namespace hive::core {
namespace {

constexpr std::int64_t permille = 1000;

// splitmix64 (Steele, Lea, Flood 2014): spreads the bits of small numbers.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

// value * factor / 1000, capped; value >= 0, factor > 0.
std::int64_t scale(std::int64_t value, std::int64_t factor, std::int64_t cap) {
  if (value / permille > cap / factor) return cap;
  const std::int64_t whole = value / permille * factor;
  const std::int64_t rest = value % permille * factor / permille;
  return rest > cap - whole ? cap : whole + rest;
}

}  // namespace

std::uint32_t attempts_of(const v1::RetryPolicy& policy, const core_limits& limits) {
  return policy.max_attempts() == 0 ? limits.retry_attempts : policy.max_attempts();
}

std::int64_t backoff_ms(const v1::RetryPolicy& policy, const core_limits& limits, std::uint32_t failures, task_id id,
                        std::uint32_t attempt_number) {
  const auto or_default = [](std::int64_t value, std::int64_t standard) { return value > 0 ? value : standard; };
  const std::int64_t cap = or_default(policy.backoff_max_ms(), limits.backoff_max_ms);
  const std::int64_t multiplier = or_default(policy.backoff_multiplier_permille(), limits.backoff_multiplier_permille);
  std::int64_t delay = std::min(cap, or_default(policy.backoff_initial_ms(), limits.backoff_initial_ms));
  if (multiplier > permille) {
    for (std::uint32_t i = 1; i < failures && delay < cap; ++i) {
      const std::int64_t next = scale(delay, multiplier, cap);
      if (next == delay) break;  // too small to grow in whole milliseconds
      delay = next;
    }
  }
  const auto jitter = std::min<std::int64_t>(policy.jitter_permille(), permille);
  if (jitter == 0) return delay;
  const std::int64_t span = scale(delay, jitter, std::numeric_limits<std::int64_t>::max() - 1);
  const std::uint64_t hash = mix(id.value ^ mix(attempt_number));
  return delay - static_cast<std::int64_t>(hash % (static_cast<std::uint64_t>(span) + 1));
}

}  // namespace hive::core
