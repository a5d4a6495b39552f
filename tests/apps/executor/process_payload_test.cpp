#include <catch2/catch.hpp>

#include "apps/executor/process_payload.hpp"

using namespace hive;
using executor::parse_process_payload;

TEST_CASE("a payload with every key is read") {
  const auto payload = parse_process_payload(
      R"({"script":"x","interpreter":["bash","-e"],"env":{"A":"b"},"cwd":"/","stdin":"i","time_limit_ms":5,
          "output_bytes_max":0,"retry_exit_codes":[1,255]})",
      "application/json; charset=utf-8");
  REQUIRE(payload.has_value());
  CHECK(payload->interpreter == std::vector<std::string>{"bash", "-e"});
  CHECK(payload->env.front().second == "b");
  CHECK(payload->time_limit_ms == 5);
  CHECK(payload->output_bytes_max == 0);
  CHECK(payload->retry_exit_codes == std::vector<int>{1, 255});
}

TEST_CASE("every malformed payload is refused with its path") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "payload"},
      {"{", "payload"},
      {"[]", "payload"},
      {"null", "payload"},
      {"{}", "payload"},
      {R"({"argv":["a"],"script":"b"})", "payload"},
      {R"({"argv":["a"],"shell":true})", "payload.shell"},
      {R"({"argv":"a"})", "payload.argv"},
      {R"({"argv":[]})", "payload.argv"},
      {R"({"argv":[""]})", "payload.argv[0]"},
      {R"({"argv":["a",1]})", "payload.argv[1]"},
      {R"({"argv":["a","b\u0000c"]})", "payload.argv[1]"},
      {R"({"argv":["a"],"interpreter":["sh"]})", "payload.interpreter"},
      {R"({"script":""})", "payload.script"},
      {R"({"script":"x","interpreter":[]})", "payload.interpreter"},
      {R"({"argv":["a"],"env":[]})", "payload.env"},
      {R"({"argv":["a"],"env":{"A":1}})", "payload.env.A"},
      {R"({"argv":["a"],"env":{"A=B":"x"}})", "payload.env.A=B"},
      {R"({"argv":["a"],"cwd":""})", "payload.cwd"},
      {R"({"argv":["a"],"cwd":1})", "payload.cwd"},
      {R"({"argv":["a"],"stdin":1})", "payload.stdin"},
      {R"({"argv":["a"],"time_limit_ms":0})", "payload.time_limit_ms"},
      {R"({"argv":["a"],"time_limit_ms":1.5})", "payload.time_limit_ms"},
      {R"({"argv":["a"],"time_limit_ms":"5"})", "payload.time_limit_ms"},
      {R"({"argv":["a"],"output_bytes_max":18446744073709551615})", "payload.output_bytes_max"},
      {R"({"argv":["a"],"output_bytes_max":716801})", "payload.output_bytes_max"},
      {R"({"argv":["a"],"retry_exit_codes":1})", "payload.retry_exit_codes"},
      {R"({"argv":["a"],"retry_exit_codes":[0]})", "payload.retry_exit_codes[0]"},
  };
  for (const auto& [text, path] : rows) {
    INFO(text);
    const auto payload = parse_process_payload(text, "application/json");
    if (payload) FAIL("was accepted");
    CHECK(payload.failure().code == errc::invalid_argument);
    CHECK(payload.failure().field == path);
  }
  CHECK(parse_process_payload("{}", "text/plain").failure().field == "content_type");
}
