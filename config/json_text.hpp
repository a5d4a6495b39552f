#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hive::config {

/// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that a line is always valid JSON.
std::string json_quoted(std::string_view text);

/// Control characters as \n, \t or \u001b: a logged text can neither forge a line nor drive a terminal.
std::string escape_control_characters(std::string_view text);

/// The task=, plan= and worker= pairs of a log message, the first of each key.
std::vector<std::pair<std::string, std::string>> lifted_fields(std::string_view message);

}  // namespace hive::config
