#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace hive::executor {

/// Limits of a process payload. What comes out of a task must fit a task's result (1 MiB) even in base64.
constexpr std::size_t arguments_max = 4096;
constexpr std::size_t argument_bytes_max = 128 << 10;  // the kernel's MAX_ARG_STRLEN
constexpr std::size_t environment_max = 1024;
constexpr std::uint64_t output_bytes_highest = 700 << 10;
constexpr std::uint64_t output_bytes_default = 512 << 10;
constexpr std::uint64_t error_output_bytes_max = 64 << 10;
constexpr std::int64_t time_limit_ms_max = 365LL * 86'400'000;

/// What to run: the payload of a task of type `process` (docs/process_tasks.md).
struct process_payload {
  std::vector<std::string> argv;         // empty when `script` is set
  std::string script;                    // written to a file that the interpreter gets as last argument
  std::vector<std::string> interpreter;  // default /bin/sh
  std::vector<std::pair<std::string, std::string>> env;
  std::string cwd;  // empty: the worker's
  std::string stdin_text;
  std::int64_t time_limit_ms = 0;  // 0: none
  std::uint64_t output_bytes_max = output_bytes_default;
  bool has_retry_exit_codes = false;
  std::vector<int> retry_exit_codes;
};

/// Reads a JSON payload strictly: unknown keys, wrong types, ranges and texts with a zero byte are invalid_argument
/// with the path as field ("payload.argv[2]").
result<process_payload> parse_process_payload(std::string_view text, std::string_view content_type);

}  // namespace hive::executor
