#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/fwd.h>

#include "base/result.hpp"
#include "config/config.hpp"

namespace hive::config {

/// The components that can be given a level of their own ("ledger=debug"). A new one is added here first.
const std::vector<std::string>& log_components();
/// The levels, most talkative first: trace debug info warn error off.
const std::vector<std::string>& log_levels();
/// invalid_argument for anything but "component=level" of the lists above; `name` is the setting to blame.
result<void> check_component_level(const std::string& text, const std::string& name);

/// Sets up spdlog for the process: sink, format and a level by component. Call once before threads start;
/// invalid_argument for a level, component or format that does not exist, unavailable for a file that cannot be opened.
result<void> configure_logging(const log_config& log);

/// The logger of a component ("ledger", "dispatcher", ...). Created at the first call; thread-safe.
/// In JSON format each line is one object: time, level, component, message, and the fields that the
/// caller put into the message as key=value pairs (task=, plan=, worker=); the message itself stays whole.
/// A line is a line in both formats: control characters are escaped.
std::shared_ptr<spdlog::logger> logger(const std::string& component);

}  // namespace hive::config
