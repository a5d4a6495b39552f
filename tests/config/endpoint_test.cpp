#include <catch2/catch.hpp>

#include "config/config.hpp"

using namespace hive;
using namespace hive::config;

TEST_CASE("an endpoint is read and written in the same form") {
  for (const std::string text : {"127.0.0.1:7117", "localhost:0", "[::1]:65535", "node-1.example:80"}) {
    const auto address = parse_endpoint(text, "listen");
    REQUIRE(address);
    CHECK(config::to_string(*address) == text);
  }
}

TEST_CASE("a malformed endpoint is refused with its field and the reason") {
  struct row {
    std::string text;
    std::string reason;
  };
  const std::vector<row> rows{
      {"", "the port is missing"},
      {"localhost", "the port is missing"},
      {":80", "the host is missing"},
      {"::1:80", "an IPv6 address needs brackets, [::1]:7117"},
      {"[::g]:80", "between the brackets must stand an IPv6 address"},
      {"[]:80", "between the brackets must stand an IPv6 address"},
      {"a b:80", "the host is not a name or an address"},
      {std::string(300, 'a') + ":80", "the host is not a name or an address"},
      {"127.0.0.999:80", "the host is not an IPv4 address"},
      {"127.1:80", "the host is not an IPv4 address"},
      {"localhost:", "the port must be a number from 0 to 65535"},
      {"localhost:65536", "the port must be a number from 0 to 65535"},
      {"localhost:-1", "the port must be a number from 0 to 65535"},
      {"localhost:80x", "the port must be a number from 0 to 65535"},
      {"localhost: 80", "the port must be a number from 0 to 65535"},
  };
  for (const row& given : rows) {
    const auto address = parse_endpoint(given.text, "listen");
    REQUIRE_FALSE(address);
    CHECK(address.failure().code == errc::invalid_argument);
    CHECK(address.failure().field == "listen");
    CHECK(address.failure().message == "listen must be HOST:PORT, found \"" + given.text + "\": " + given.reason);
  }
}

TEST_CASE("only addresses of this machine are loopback") {
  for (const std::string host : {"127.0.0.1", "127.255.3.4", "::1", "localhost", "0:0:0:0:0:0:0:1"})
    CHECK(is_loopback(host));
  for (const std::string host :
       {"0.0.0.0", "128.0.0.1", "::", "127.evil.example", "127.0.0.1.example", "10.0.0.1", "::ffff:8.8.8.8"}) {
    CHECK_FALSE(is_loopback(host));
  }
}

TEST_CASE("a list of endpoints is read with spaces and repeated ones, and written without") {
  const auto list = parse_endpoints(" a:1, [::1]:2 ,a:1,b:3", "client.endpoint");
  REQUIRE(list);
  CHECK(config::to_string(*list) == "a:1,[::1]:2,b:3");
}

TEST_CASE("a list of endpoints is refused for any of them") {
  for (const std::string text : {"", ",", "a:1,", "a:1,,b:2", "a:1 b:2", "a:1;b:2", "a:1,b:0", "a:1,b"}) {
    INFO(text);
    const auto list = parse_endpoints(text, "client.endpoint");
    REQUIRE_FALSE(list);
    CHECK(list.failure().code == errc::invalid_argument);
    CHECK(list.failure().field == "client.endpoint");
  }
}

TEST_CASE("the client's choices of a node and of reads are checked") {
  CHECK(load_client_config("", {{"client.prefer", "any"}, {"client.reads", "linearizable"}}));
  CHECK(load_client_config("", {{"client.endpoint", "a:1, b:2"}}));
  CHECK(load_client_config("", {{"client.prefer", "nearest"}}).failure().field == "client.prefer");
  CHECK(load_client_config("", {{"client.reads", "Local"}}).failure().field == "client.reads");
  CHECK(load_client_config("", {{"client.endpoint", "a:1,b"}}).failure().field == "client.endpoint");
}
