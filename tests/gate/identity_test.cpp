#include "gate/identity.hpp"

#include <catch2/catch.hpp>

using namespace hive;
using namespace hive::gate;

TEST_CASE("roles, cluster and name come from the certificate's URIs") {
  const auto one = parse_identity({"https://example.org/", "hive://demo/client/carol"});
  REQUIRE(one);
  CHECK(one->cluster == "demo");
  CHECK(one->name == "carol");
  CHECK(one->roles == role_set(role::client));
  const auto both = parse_identity({"hive://demo/client/bench", "hive://demo/worker/bench"});
  REQUIRE(both);
  CHECK(both->text() == "client, worker bench of demo");
  CHECK(identity_uri("demo", role::node, "n1") == "hive://demo/node/n1");
}

TEST_CASE("a certificate that does not say clearly who holds it is refused") {
  using uris = std::vector<std::string>;
  for (const uris& names :
       {uris{}, uris{"https://demo/client/carol"}, uris{"hive://demo"}, uris{"hive://demo/client"},
        uris{"hive://demo/client/"}, uris{"hive:///client/carol"}, uris{"hive://demo/admin/carol"},
        uris{"hive://demo/client/carol/more"}, uris{"hive://demo/client/ca rol"},
        uris{"hive://demo/client/carol", "hive://other/worker/carol"},
        uris{"hive://demo/client/carol", "hive://demo/node/dave"}, uris{"hive://demo/client/carol", "hive://demo/node"},
        uris{"hive://demo/client/" + std::string(64, 'x')}, uris{std::string("hive://demo/client/ca\0rol", 25)}}) {
    const auto who = parse_identity(names);
    INFO((names.empty() ? "no name" : names.back()));
    REQUIRE_FALSE(who);
    CHECK(who.failure().code == errc::invalid_argument);
  }
}
