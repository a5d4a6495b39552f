#include "apps/plan_files/process_fields.hpp"

namespace hive::plan_files {
namespace {

constexpr std::size_t arguments_max = 4096;
constexpr std::size_t argument_bytes_max = 128 << 10;
constexpr std::size_t environment_max = 1024;
constexpr std::size_t path_bytes_max = 4096;
constexpr std::int64_t output_bytes_highest = 700 << 10;
constexpr std::int64_t exit_code_highest = 255;

std::vector<std::string> read_arguments(const field& where) {
  std::vector<std::string> arguments;
  for (const field& item : read_items(where)) arguments.push_back(read_text(item));
  if (arguments.empty()) refuse(where, "must not be empty");
  if (arguments.size() > arguments_max) {
    refuse(where, "has " + std::to_string(arguments.size()) + " arguments; at most " + std::to_string(arguments_max) +
                      " are allowed");
  }
  if (arguments.front().empty()) refuse(where, "the first item is the program and must not be empty");
  return arguments;
}

void read_environment(const field& where, json& payload) {
  const auto entries = read_entries(where);
  if (entries.size() > environment_max) {
    refuse(where, "has " + std::to_string(entries.size()) + " variables; at most " + std::to_string(environment_max) +
                      " are allowed");
  }
  json& environment = payload["env"];
  for (const auto& [name, value] : entries) {
    if (name.empty() || name.find('=') != std::string::npos) refuse(value, "is not a name for a variable");
    environment[name] = read_text(value);
  }
}

void read_retry_exit_codes(const field& where, json& payload) {
  json codes = json::array();
  for (const field& item : read_items(where)) codes.push_back(read_integer(item, 1, exit_code_highest));
  payload["retry_exit_codes"] = codes;
}

}  // namespace

const std::vector<std::string> process_keys = {"run", "argv",  "script",     "interpreter",      "env",
                                               "cwd", "stdin", "time_limit", "output_bytes_max", "retry_exit_codes"};
const std::vector<std::string> process_default_keys = {
    "interpreter", "env", "cwd", "time_limit", "output_bytes_max", "retry_exit_codes"};

bool has_program(const map_reader& step) {
  std::string first;
  for (const char* key : {"run", "argv", "script"}) {
    const auto found = step.find(key);
    if (!found) continue;
    if (!first.empty()) refuse(*found, "stands beside '" + first + "'; only one of run, argv, script is allowed");
    first = key;
  }
  return !first.empty();
}

void read_process_fields(const map_reader& step, json& payload) {
  if (const auto run = step.find("run")) {
    payload["argv"] = {"/bin/sh", "-c", read_name(*run, argument_bytes_max)};
  }
  if (const auto argv = step.find("argv")) payload["argv"] = read_arguments(*argv);
  if (const auto script = step.find("script")) payload["script"] = read_name(*script, 1 << 20);
  if (const auto interpreter = step.find("interpreter")) payload["interpreter"] = read_arguments(*interpreter);
  if (const auto environment = step.find("env")) read_environment(*environment, payload);
  if (const auto cwd = step.find("cwd")) payload["cwd"] = read_name(*cwd, path_bytes_max);
  if (const auto input = step.find("stdin")) payload["stdin"] = read_text(*input);
  if (const auto limit = step.find("time_limit")) {
    const std::int64_t limit_ms = read_duration_ms(*limit);
    if (limit_ms == 0) refuse(*limit, "must be longer than 0; leave it out for no limit");
    payload["time_limit_ms"] = limit_ms;
  }
  if (const auto bytes = step.find("output_bytes_max")) {
    payload["output_bytes_max"] = read_integer(*bytes, 0, output_bytes_highest);
  }
  if (const auto codes = step.find("retry_exit_codes")) read_retry_exit_codes(*codes, payload);
}

}  // namespace hive::plan_files
