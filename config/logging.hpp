#pragma once

#include <memory>
#include <string>

#include <spdlog/fwd.h>

#include "base/result.hpp"
#include "config/config.hpp"

namespace hive::config {

/// Sets up spdlog for the process: sink, format and a level by component. Call once before threads start;
/// invalid_argument for a level, component or format that does not exist, unavailable for a file that cannot be opened.
result<void> configure_logging(const log_config& log);

/// The logger of a component ("ledger", "dispatcher", ...). Created at the first call; thread-safe.
/// In JSON format each line is one object: time, level, component, message, and the fields that the
/// caller put into the message as key=value pairs (task=, plan=, worker=).
std::shared_ptr<spdlog::logger> logger(const std::string& component);

}  // namespace hive::config
