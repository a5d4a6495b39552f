#pragma once

#include <chrono>

#include "base/result.hpp"
#include "config/config.hpp"

namespace hive {

/// A connected TCP socket, TCP_NODELAY set, or unavailable with the reason. Tries every address of the host within
/// `timeout` (name resolution comes on top).
result<int> connect_socket(const config::endpoint& address, std::chrono::milliseconds timeout);

}  // namespace hive
