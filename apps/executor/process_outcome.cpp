#include "apps/executor/process_outcome.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <nlohmann/json.hpp>

namespace hive::executor {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t last_line_bytes_max = 500;
constexpr const char* base64_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(const std::string& bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = (group << 8) | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? base64_letters[(group >> (18 - 6 * k)) & 63] : '=';
  }
  return text;
}

std::string from_base64(const std::string& text) {
  std::string bytes;
  unsigned group = 0;
  int bits = 0;
  for (const char letter : text) {
    const char* const found = letter == '\0' ? nullptr : std::strchr(base64_letters, letter);
    if (found == nullptr) break;
    group = (group << 6) | static_cast<unsigned>(found - base64_letters);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>((group >> bits) & 0xFF);
  }
  return bytes;
}

/// As text if that is valid and not longer than base64 would be, which keeps a result within its cap.
void put_output(json& root, const std::string& key, const std::string& text) {
  bool is_text = true;
  try {
    is_text = json(text).dump().size() <= text.size() / 3 * 4 + 1024;
  } catch (const json::exception&) {
    is_text = false;
  }
  if (is_text) {
    root[key] = text;
  } else {
    root[key + "_base64"] = to_base64(text);
  }
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  const std::size_t begin = text.rfind('\n', end);
  std::string line =
      text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
  if (line.size() > last_line_bytes_max) line.resize(last_line_bytes_max);
  // Reason texts are protobuf strings: they must be UTF-8.
  return json::parse(json(line).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

}  // namespace

std::string to_json(const process_outcome& outcome) {
  json root;
  root["exit_code"] = outcome.exit_code >= 0 ? json(outcome.exit_code) : json(nullptr);
  root["signal"] = outcome.signal > 0 ? json(outcome.signal) : json(nullptr);
  put_output(root, "stdout", outcome.stdout_text);
  put_output(root, "stderr", outcome.stderr_text);
  root["truncated"] = outcome.is_stdout_truncated || outcome.is_stderr_truncated;
  root["stdout_truncated"] = outcome.is_stdout_truncated;
  root["stdout_bytes"] = outcome.stdout_bytes;
  root["stderr_bytes"] = outcome.stderr_bytes;
  root["duration_ms"] = outcome.duration_ms;
  return root.dump();
}

bool is_success(const process_outcome& outcome) {
  return outcome.ending == process_ending::exited && outcome.exit_code == 0;
}

bool is_retryable(const process_outcome& outcome, const process_payload& payload) {
  if (outcome.ending != process_ending::exited) return outcome.ending != process_ending::canceled;
  const auto& codes = payload.retry_exit_codes;
  if (payload.has_retry_exit_codes) return std::find(codes.begin(), codes.end(), outcome.exit_code) != codes.end();
  constexpr int first_wrong_call = 64;
  constexpr int last_wrong_call = 78;
  constexpr int try_again = 75;
  constexpr int cannot_execute = 126;
  constexpr int not_found = 127;
  const bool is_wrong_call = outcome.exit_code >= first_wrong_call && outcome.exit_code <= last_wrong_call;
  if (is_wrong_call) return outcome.exit_code == try_again;
  return outcome.exit_code != cannot_execute && outcome.exit_code != not_found;
}

std::string describe_failure(const process_outcome& outcome, const process_payload& payload) {
  std::string text;
  switch (outcome.ending) {
    case process_ending::exited:
      text = "exit code " + std::to_string(outcome.exit_code);
      break;
    case process_ending::killed_by_signal: {
      const char* const name = ::sigabbrev_np(outcome.signal);
      text = "killed by signal " + std::to_string(outcome.signal) +
             (name == nullptr ? "" : std::string{" (SIG"} + name + ")");
      break;
    }
    case process_ending::time_limit:
      text = "stopped at its time limit of " + std::to_string(payload.time_limit_ms) + " ms";
      break;
    case process_ending::canceled:
      text = "canceled";
      break;
  }
  const std::string line = last_line(outcome.stderr_text);
  return line.empty() ? text : text + ": " + line;
}

step_input make_input(const std::string& step_name, const std::string& bytes, const std::string& content_type) {
  if (content_type != process_result_type) return {step_name, bytes, false};
  const json root = json::parse(bytes, nullptr, false);
  if (!root.is_object()) return {step_name, bytes, false};
  const bool is_truncated = root.value("stdout_truncated", false);
  const auto text = root.find("stdout");
  if (text != root.end() && text->is_string()) return {step_name, text->get<std::string>(), is_truncated};
  const auto encoded = root.find("stdout_base64");
  if (encoded == root.end() || !encoded->is_string()) return {step_name, bytes, false};
  return {step_name, from_base64(encoded->get<std::string>()), is_truncated};
}

}  // namespace hive::executor
