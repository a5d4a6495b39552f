#include "replication/configuration.hpp"

#include <catch2/catch.hpp>

#include "replication/raft_convert.hpp"
#include "tests/replication/random_source.hpp"

using namespace hive::replication;  // NOLINT(google-build-using-namespace)
using hive::replication::testing::random_source;

namespace {

configuration three() {
  return {{{node_id{1}, "10.0.0.1:7000", member_role::voter},
           {node_id{2}, "b", member_role::voter},
           {node_id{70000}, std::string(address_bytes_max, 'c'), member_role::stand_by}}};
}

}  // namespace

TEST_CASE("a configuration is encoded as the library does it") {
  raft_configuration raw = to_raft(three());
  raft_buffer expected{};
  REQUIRE(raft_configuration_encode(&raw, &expected) == 0);
  CHECK(encode_configuration(three()) == std::string(static_cast<const char*>(expected.base), expected.len));
  CHECK(from_raft(raw) == three());
  raft_free(expected.base);
  raft_configuration_close(&raw);
  const auto decoded = decode_configuration(encode_configuration(three()));
  REQUIRE(decoded);
  CHECK(*decoded == three());
}

TEST_CASE("a configuration that is cut, or followed by something, is refused") {
  const std::string good = encode_configuration(three());
  for (std::size_t size = 0; size + 8 <= good.size(); ++size) {
    INFO("cut to " << size);
    CHECK_FALSE(decode_configuration(good.substr(0, size)));
  }
  CHECK_FALSE(decode_configuration(good + std::string(8, '\0')));
  CHECK_FALSE(decode_configuration(std::string(1, '\1') + std::string(8, '\xff')));
}

TEST_CASE("whatever decodes as a configuration keeps the rules") {
  random_source random{5};
  const std::string good = encode_configuration(three());
  int accepted = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    const auto decoded = decode_configuration(bytes);
    if (!decoded) continue;
    ++accepted;
    REQUIRE(check_configuration(*decoded));
    REQUIRE(*decode_configuration(encode_configuration(*decoded)) == *decoded);
  }
  CHECK(accepted > 0);
}

TEST_CASE("configurations against the rules are refused") {
  const auto refuses = [](const configuration& members) { return !check_configuration(members); };
  CHECK_FALSE(refuses(three()));
  CHECK(refuses({}));
  CHECK(refuses({{{node_id{1}, "a", member_role::stand_by}}}));
  CHECK(refuses({{{node_id{0}, "a", member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, "", member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, std::string(256, 'a'), member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, std::string("a\0b", 3), member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, "a", member_role::voter}, {node_id{1}, "b", member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, "a", member_role::voter}, {node_id{2}, "a", member_role::voter}}}));
  CHECK(refuses({{{node_id{1}, "a", static_cast<member_role>(2)}}}));
  configuration many;
  for (std::uint64_t i = 1; i <= members_max + 1; ++i) {
    many.members.push_back({node_id{i}, std::to_string(i), member_role::voter});
  }
  CHECK(refuses(many));
}
