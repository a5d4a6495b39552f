#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/queries.hpp"

namespace hive::core::views {

/// How the registered workers stand to one signature. Workers that are gone or lost count only where that is said.
struct worker_fit {
  std::uint32_t present = 0;  // active or draining, fitting or not
  // Fitting workers, by what keeps them from taking the task (each in exactly one of these).
  std::uint32_t ready = 0;  // active and connected, with slots
  std::uint32_t without_slots = 0;
  std::uint32_t draining = 0;
  std::uint32_t disconnected = 0;
  std::uint32_t lost = 0;
  std::uint32_t gone = 0;
  std::uint64_t slots = 0;                     // of the ready ones
  std::uint64_t slots_free = 0;                // of the ready ones, as they told
  std::vector<std::string> unavailable_names;  // of fitting workers that are not ready, with why; at most 5

  /// "capability 'gpu'", "handler for the type 'render'", "label zone=a": what the task asks for and no present
  /// worker has.
  std::vector<std::string> missing_everywhere;
  /// If each part is there but no worker has them all: the one that lacks the least, and what it lacks.
  std::string closest_name;
  std::vector<std::string> closest_lacks;
};

/// What the signature asks for and this worker does not have, in words.
std::vector<std::string> lacks(const v1::Signature& signature, const v1::WorkerSpec& worker);

/// O(workers).
worker_fit assess_workers(const table_reader& tables, const v1::Signature& signature,
                          const std::function<worker_liveness(worker_id)>& liveness);

/// "a", "a and b", "a, b and c".
std::string join(const std::vector<std::string>& parts);

}  // namespace hive::core::views
