#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "apps/executor/process_outcome.hpp"

using namespace hive::executor;
using nlohmann::json;

TEST_CASE("binary output comes back from a result byte for byte") {
  for (std::size_t length : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1'000}}) {
    process_outcome outcome;
    outcome.exit_code = 0;
    for (std::size_t i = 0; i < length; ++i) outcome.stdout_text += static_cast<char>(255 - i % 256);
    const json root = json::parse(to_json(outcome));
    CHECK(root.contains("stdout_base64"));
    CHECK(make_input("s", to_json(outcome), process_result_type).bytes == outcome.stdout_text);
  }
}

TEST_CASE("text output stands in the result as text") {
  process_outcome outcome;
  outcome.exit_code = 3;
  outcome.stdout_text = "gr\xC3\xBC\xC3\x9F \"x\"\n";
  const json root = json::parse(to_json(outcome));
  CHECK(root["stdout"] == outcome.stdout_text);
  CHECK(root["exit_code"] == 3);
  CHECK(root["signal"].is_null());
  CHECK(make_input("s", to_json(outcome), process_result_type).bytes == outcome.stdout_text);
}

TEST_CASE("the largest output fits a task's result, whatever it holds") {
  for (const char letter : {'\x01', '"', 'a', '\xFF'}) {
    process_outcome outcome;
    outcome.exit_code = 0;
    outcome.stdout_text.assign(output_bytes_highest, letter);
    outcome.stderr_text.assign(error_output_bytes_max, letter);
    CHECK(to_json(outcome).size() <= std::size_t{1} << 20);
  }
}

TEST_CASE("a truncated output is marked as an input") {
  process_outcome outcome;
  outcome.is_stdout_truncated = true;
  CHECK(make_input("s", to_json(outcome), process_result_type).is_truncated);
  CHECK_FALSE(make_input("s", "{}", "application/json").is_truncated);
}

TEST_CASE("results of other types are inputs as they are") {
  CHECK(make_input("s", R"({"stdout":"x"})", "application/json").bytes == R"({"stdout":"x"})");
  CHECK(make_input("s", "no json", process_result_type).bytes == "no json");
}

TEST_CASE("exit codes of a wrong call are not tried again, all others are") {
  process_outcome outcome;
  process_payload payload;
  for (int code = 1; code < 256; ++code) {
    outcome.exit_code = code;
    const bool is_final = (code >= 64 && code <= 78 && code != 75) || code == 126 || code == 127;
    INFO(code);
    CHECK(is_retryable(outcome, payload) == !is_final);
  }
  payload.has_retry_exit_codes = true;
  payload.retry_exit_codes = {64};
  outcome.exit_code = 64;
  CHECK(is_retryable(outcome, payload));
  outcome.exit_code = 1;
  CHECK_FALSE(is_retryable(outcome, payload));
  outcome.ending = process_ending::killed_by_signal;
  CHECK(is_retryable(outcome, payload));
  outcome.ending = process_ending::canceled;
  CHECK_FALSE(is_retryable(outcome, payload));
}

TEST_CASE("a failure is told with the last line of the error output") {
  process_outcome outcome;
  outcome.exit_code = 2;
  outcome.stderr_text = "first\nlast \xFF\n\n";
  CHECK(describe_failure(outcome, {}) == "exit code 2: last \xEF\xBF\xBD");
  outcome.stderr_text.clear();
  outcome.ending = process_ending::killed_by_signal;
  outcome.signal = 9;
  CHECK(describe_failure(outcome, {}) == "killed by signal 9 (SIGKILL)");
}
