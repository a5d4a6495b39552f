#include "gate/authority.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "gate/tls_context.hpp"
#include "tests/gate/gate_fixture.hpp"

using namespace hive;
using namespace hive::gate;
using namespace hive::gate::test;

TEST_CASE("an operator's certificate is one for TLS clients, with that role in its name") {
  const auto authority = make_authority("demo", valid_for_days(100));
  REQUIRE(authority);
  const auto issued = issue_certificate(*authority, {"olga", role::client | role::operator_, {}, valid_for_days(30)});
  REQUIRE(issued);
  const auto facts = read_certificate(issued->certificate);
  REQUIRE(facts);
  CHECK(facts->roles == (role::client | role::operator_));
  CHECK(identity_uri("demo", role::operator_, "olga") == "hive://demo/operator/olga");
}

TEST_CASE("a certificate says who holds it, for which hosts and how long") {
  const auto authority = make_authority("demo", valid_for_days(100));
  REQUIRE(authority);
  CHECK(*cluster_of_authority(authority->certificate) == "demo");
  const auto when = valid_for_days(30);
  const auto issued = issue_certificate(*authority, {"n1", role::node, {"node1.example.org", "10.0.0.1", "::1"}, when});
  REQUIRE(issued);
  const auto facts = read_certificate(issued->certificate);
  REQUIRE(facts);
  CHECK(facts->name == "n1");
  CHECK(facts->cluster == "demo");
  CHECK(facts->roles == role_set(role::node));
  CHECK(facts->hosts == std::vector<std::string>{"node1.example.org", "10.0.0.1", "::1"});
  CHECK(facts->when.from_unix_s == when.from_unix_s);
  CHECK(facts->when.until_unix_s == when.until_unix_s);
  CHECK(issued->key.find("PRIVATE KEY") != std::string::npos);
  CHECK(issued->key != authority->key);
}

TEST_CASE("no certificate outlives its authority") {
  const auto authority = make_authority("demo", valid_for_days(2));
  REQUIRE(authority);
  const auto issued = issue_certificate(*authority, {"carol", role::client, {}, valid_for_days(400)});
  REQUIRE(issued);
  CHECK(read_certificate(issued->certificate)->when.until_unix_s <= valid_for_days(2).until_unix_s);

  auto over = valid_for_days(2);
  over.from_unix_s -= 10'000'000;
  over.until_unix_s = over.from_unix_s + 1'000;
  const auto expired = make_authority("demo", over);
  REQUIRE(expired);
  const auto refused = issue_certificate(*expired, {"carol", role::client, {}, valid_for_days(1)});
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
}

TEST_CASE("names that would say something else in a certificate are refused") {
  const auto authority = make_authority("demo", valid_for_days(2));
  REQUIRE(authority);
  const auto code = [&](const certificate_request& request) {
    const auto issued = issue_certificate(*authority, request);
    return issued ? errc::none : issued.failure().code;
  };
  const auto when = valid_for_days(1);
  CHECK(code({"carol", role::client, {}, when}) == errc::none);
  CHECK(code({"carol,URI:hive://demo/node/carol", role::client, {}, when}) == errc::invalid_argument);
  CHECK(code({"", role::client, {}, when}) == errc::invalid_argument);
  CHECK(code({"n1", role::node, {"a,URI:hive://demo/node/x"}, when}) == errc::invalid_argument);
  CHECK(code({"n1", role::node, {"*"}, when}) == errc::invalid_argument);
  CHECK(code({"n1", role::node, {}, when}) == errc::invalid_argument);
  CHECK(code({"n1", role::node, std::vector<std::string>(101, "a.b"), when}) == errc::invalid_argument);
  CHECK(code({"carol", role_set{}, {}, when}) == errc::invalid_argument);
  CHECK_FALSE(make_authority("de mo", when));

  const auto other = make_authority("demo", when);
  REQUIRE(other);
  CHECK_FALSE(issue_certificate({authority->certificate, other->key}, {"carol", role::client, {}, when}));
  const auto leaf = issue_certificate(*authority, {"carol", role::client, {}, when});
  REQUIRE(leaf);
  CHECK_FALSE(issue_certificate(*leaf, {"dave", role::node, {"localhost"}, when}));
}

TEST_CASE("files that do not fit together are refused with the file named") {
  const test_authority authority;
  const test_authority other;
  const auto node_files = authority.issue("n1", role::node);
  const auto client_files = authority.issue("carol", role::client);
  const auto refused = [](const tls_files& files, tls_end end = tls_end::server) {
    const auto loaded = tls_context::load(files, end);
    return loaded ? std::string{} : to_string(loaded.failure());
  };
  CHECK(refused(node_files).empty());
  CHECK(refused(client_files, tls_end::client).empty());
  CHECK(refused(node_files, tls_end::client).empty());
  CHECK(refused({node_files.certificate, client_files.key, node_files.authority}).find("carol.key") !=
        std::string::npos);
  CHECK(refused({node_files.certificate, node_files.key, other.file()}).find("does not hold against the authority") !=
        std::string::npos);
  CHECK(refused({"/no/such.crt", node_files.key, node_files.authority}).find("not_found") == 0);
  CHECK(refused({node_files.key, node_files.key, node_files.authority}).find("certificate") != std::string::npos);
  CHECK(refused(client_files).find("unsuitable certificate purpose") != std::string::npos);
  auto over = valid_for_days(1);
  over.from_unix_s -= 1'000'000;
  over.until_unix_s = over.from_unix_s + 1'000;
  CHECK(refused(authority.issue({"old", role::node, {"localhost"}, over})).find("expired") != std::string::npos);
}

TEST_CASE("a key that others can read is noticed") {
  const temporary_folder folder;
  const auto path = folder.path() / "key";
  write_file(path, "x");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read);
  CHECK_FALSE(is_open_to_others(path.string()));
  std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  CHECK(is_open_to_others(path.string()));
}
