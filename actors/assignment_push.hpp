#pragma once

#include <chrono>

#include "actors/service_context.hpp"
#include "core/machine.hpp"

namespace hive {

/// Sends committed assignments and revocations to the workers' sessions and takes them out of `effects`. Runs in the
/// ledger, right after the commit: another actor in between would cost every dispatch a change of threads. Without a
/// sender: a worker has no business with the ledger.
void push_to_sessions(const service_context& context, core::effects& effects,
                      std::chrono::steady_clock::time_point arrived_at);

}  // namespace hive
