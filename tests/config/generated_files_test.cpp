#include <cstdlib>

#include <catch2/catch.hpp>

#include "config/config.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using namespace hive::config;

namespace {

void check_generated(const std::string& path, const std::string& expected) {
  const std::string full_path = std::string(HIVE_SOURCE_DIR) + "/" + path;
  if (std::getenv("HIVE_UPDATE_GENERATED") != nullptr) std::ofstream(full_path, std::ios::binary) << expected;
  INFO(path + " is generated: run build/tests/config_tests with HIVE_UPDATE_GENERATED=1 to rewrite it");
  CHECK(test::read_text(full_path) == expected);
}

}  // namespace

TEST_CASE("docs/configuration.md says what the table of settings says") {
  check_generated("docs/configuration.md", configuration_reference());
}

TEST_CASE("deploy/hive.toml is the sample that the table of settings gives") {
  check_generated("deploy/hive.toml", sample_node_config());
}

TEST_CASE("the sample changes nothing, and neither does the sample with every comment mark taken off") {
  const test::temporary_folder folder;
  const std::string sample = sample_node_config();
  const auto commented = load_node_config(folder.write("sample.toml", sample), {});
  REQUIRE(commented);
  CHECK(print_node_config(*commented) == print_node_config({}));

  std::istringstream lines(sample);
  std::string active;
  for (std::string line; std::getline(lines, line);) {
    const bool is_setting =
        line.starts_with("# ") && line.find(" = ") != std::string::npos && line.find('(') == std::string::npos;
    active += (is_setting ? line.substr(2) : line) + "\n";
  }
  const std::string path = folder.write("active.toml", active);
  const auto node = load_node_config(path, {});
  if (!node) FAIL(node.failure().message);
  CHECK(print_node_config(*node) == print_node_config({}));
  const auto client = load_client_config(path, {});
  if (!client) FAIL(client.failure().message);
  CHECK(client->endpoint == client_config{}.endpoint);
}
