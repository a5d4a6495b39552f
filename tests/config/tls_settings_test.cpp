#include <catch2/catch.hpp>

#include "config/config.hpp"

using namespace hive;
using namespace hive::config;

namespace {

const std::vector<setting_override> tls_files{
    {"tls.certificate", "n.crt"}, {"tls.key", "n.key"}, {"tls.authority", "authority.crt"}};

std::vector<setting_override> with(std::vector<setting_override> list, setting_override more) {
  list.push_back(std::move(more));
  return list;
}

}  // namespace

TEST_CASE("beyond loopback a node needs TLS, and the refusal says how to turn it on") {
  for (const std::string where : {"0.0.0.0:7117", "[::]:7117", "10.0.0.1:1", "node1.example.org:7117"}) {
    const auto refused = load_node_config("", {{"node.listen", where}});
    INFO(where);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().code == errc::invalid_argument);
    CHECK(refused.failure().field == "node.listen");
    for (const std::string& text : {"node.listen = \"" + where + "\" (command line)", std::string("loopback"),
                                    std::string("hivectl tls init"), std::string("tls.certificate")}) {
      CHECK(refused.failure().message.find(text) != std::string::npos);
    }
    CHECK(load_node_config("", with(tls_files, {"node.listen", where})));
  }
  CHECK(load_node_config("", {{"node.listen", "[::1]:7117"}}));
}

TEST_CASE("pages that are not encrypted leave the machine only when that is asked for") {
  for (const std::string where : {"0.0.0.0:7118", "[::]:7118", "10.0.0.1:1"}) {
    const auto refused = load_node_config("", {{"node.metrics_listen", where}});
    INFO(where);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().field == "node.metrics_listen");
    CHECK(refused.failure().message.find("node.metrics_beyond_loopback = true") != std::string::npos);
    CHECK(load_node_config("", {{"node.metrics_listen", where}, {"node.metrics_beyond_loopback", "true"}}));
  }
  CHECK(load_node_config("", {{"node.metrics_listen", ""}}));
  CHECK(load_node_config("", {{"node.metrics_listen", "[::1]:7118"}}));
}

TEST_CASE("two of the three files of TLS are refused, with the missing one named") {
  for (std::size_t missing = 0; missing < tls_files.size(); ++missing) {
    auto some = tls_files;
    some.erase(some.begin() + static_cast<long>(missing));
    const auto refused = load_node_config("", some);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().field == tls_files[missing].name);
  }
  const auto client = load_client_config("", {{"client.tls_certificate", "c.crt"}, {"client.tls_key", "c.key"}});
  REQUIRE_FALSE(client);
  CHECK(client.failure().field == "client.tls_authority");
}

TEST_CASE("TLS is off by default, and on with its files") {
  CHECK_FALSE(load_node_config("", {})->tls.is_on());
  CHECK(load_node_config("", tls_files)->tls.is_on());
  CHECK(load_client_config("", {}).value().tls_certificate.empty());
}
