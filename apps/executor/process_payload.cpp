#include "apps/executor/process_payload.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace hive::executor {
namespace {

using nlohmann::json;

struct payload_refusal {
  error failure;
};

[[noreturn]] void refuse(const std::string& path, const std::string& message) {
  throw payload_refusal{{errc::invalid_argument, path + " " + message, path}};
}

constexpr std::array<std::string_view, 9> known_keys = {
    "argv", "script", "interpreter", "env", "cwd", "stdin", "time_limit_ms", "output_bytes_max", "retry_exit_codes"};

std::string read_text(const json& value, const std::string& path, std::size_t bytes_max) {
  if (!value.is_string()) refuse(path, std::string{"must be a string, is "} + value.type_name());
  std::string text = value.get<std::string>();
  if (text.size() > bytes_max) refuse(path, "has more than " + std::to_string(bytes_max) + " bytes");
  if (text.find('\0') != std::string::npos) refuse(path, "holds a zero byte");
  return text;
}

std::vector<std::string> read_arguments(const json& value, const std::string& path) {
  if (!value.is_array()) refuse(path, std::string{"must be an array of strings, is "} + value.type_name());
  if (value.empty()) refuse(path, "must not be empty");
  if (value.size() > arguments_max) refuse(path, "has more than " + std::to_string(arguments_max) + " items");
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < value.size(); ++i) {
    arguments.push_back(read_text(value[i], path + "[" + std::to_string(i) + "]", argument_bytes_max));
  }
  if (arguments.front().empty()) refuse(path + "[0]", "is the program and must not be empty");
  return arguments;
}

std::int64_t read_integer(const json& value, const std::string& path, std::int64_t lowest, std::int64_t highest) {
  // An unsigned value beyond int64 would wrap when read as signed.
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX));
  const std::int64_t number = fits ? value.get<std::int64_t>() : 0;
  if (!fits || number < lowest || number > highest) {
    refuse(path, "must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return number;
}

void read_environment(const json& value, process_payload& payload) {
  if (!value.is_object()) refuse("payload.env", std::string{"must be an object, is "} + value.type_name());
  if (value.size() > environment_max)
    refuse("payload.env", "has more than " + std::to_string(environment_max) + " names");
  for (const auto& [name, text] : value.items()) {
    const std::string path = "payload.env." + name;
    if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos) {
      refuse(path, "is not a name for a variable");
    }
    payload.env.emplace_back(name, read_text(text, path, argument_bytes_max - name.size() - 2));
  }
}

void read_exit_codes(const json& value, process_payload& payload) {
  if (!value.is_array()) refuse("payload.retry_exit_codes", std::string{"must be an array, is "} + value.type_name());
  payload.has_retry_exit_codes = true;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto code = read_integer(value[i], "payload.retry_exit_codes[" + std::to_string(i) + "]", 1, 255);
    payload.retry_exit_codes.push_back(static_cast<int>(code));
  }
}

void check_keys(const json& root) {
  if (!root.is_object()) refuse("payload", std::string{"must be a JSON object, is "} + root.type_name());
  for (const auto& [key, value] : root.items()) {
    if (std::find(known_keys.begin(), known_keys.end(), key) != known_keys.end()) continue;
    std::string names;
    for (const std::string_view known : known_keys) names += (names.empty() ? "" : ", ") + std::string{known};
    refuse("payload." + key, "is not known; known are " + names);
  }
  if (root.contains("argv") == root.contains("script")) {
    refuse("payload", root.contains("argv") ? "has both argv and script; one is allowed" : "needs argv or script");
  }
  if (root.contains("interpreter") && !root.contains("script")) refuse("payload.interpreter", "needs script");
}

process_payload read_payload(const json& root) {
  check_keys(root);
  process_payload payload;
  if (root.contains("argv")) payload.argv = read_arguments(root["argv"], "payload.argv");
  if (root.contains("script")) {
    payload.script = read_text(root["script"], "payload.script", 1 << 20);
    if (payload.script.empty()) refuse("payload.script", "must not be empty");
    payload.interpreter = {"/bin/sh"};
  }
  if (root.contains("interpreter")) payload.interpreter = read_arguments(root["interpreter"], "payload.interpreter");
  if (root.contains("env")) read_environment(root["env"], payload);
  if (root.contains("cwd")) {
    payload.cwd = read_text(root["cwd"], "payload.cwd", 4096);
    if (payload.cwd.empty()) refuse("payload.cwd", "must not be empty; leave it out for the worker's folder");
  }
  if (root.contains("stdin")) {
    if (!root["stdin"].is_string())
      refuse("payload.stdin", std::string{"must be a string, is "} + root["stdin"].type_name());
    payload.stdin_text = root["stdin"].get<std::string>();
  }
  if (root.contains("time_limit_ms")) {
    payload.time_limit_ms = read_integer(root["time_limit_ms"], "payload.time_limit_ms", 1, time_limit_ms_max);
  }
  if (root.contains("output_bytes_max")) {
    payload.output_bytes_max = static_cast<std::uint64_t>(read_integer(
        root["output_bytes_max"], "payload.output_bytes_max", 0, static_cast<std::int64_t>(output_bytes_highest)));
  }
  if (root.contains("retry_exit_codes")) read_exit_codes(root["retry_exit_codes"], payload);
  return payload;
}

}  // namespace

result<process_payload> parse_process_payload(std::string_view text, std::string_view content_type) {
  const std::string_view kind = content_type.substr(0, content_type.find(';'));
  if (!kind.empty() && kind != "application/json") {
    return error{errc::invalid_argument,
                 "a process payload is application/json, not '" + std::string{content_type.substr(0, 64)} + "'",
                 "content_type"};
  }
  try {
    return read_payload(json::parse(text));
  } catch (const payload_refusal& refused) {
    return refused.failure;
  } catch (const json::exception&) {
    return error{errc::invalid_argument, "payload is not valid JSON", "payload"};
  }
}

}  // namespace hive::executor
