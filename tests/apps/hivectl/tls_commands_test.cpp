// hivectl tls, and what programs say of certificate files that cannot be used. No node is needed.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "apps/executor/process_runner.hpp"
#include "gate/authority.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using hive::test::temporary_folder;

namespace {

constexpr int invalid_argument = 11;
constexpr int not_found = 12;
constexpr int already_exists = 13;
constexpr int failed_precondition = 14;
constexpr int unavailable = 16;

struct pem_files {
  temporary_folder folder;

  pem_files() {
    REQUIRE(tls({"init", "demo"}).exit_code == 0);
    REQUIRE(tls({"issue", "client", "me"}).exit_code == 0);
    REQUIRE(tls({"issue", "worker", "w1"}).exit_code == 0);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  [[nodiscard]] executor::process_outcome tls(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "tls");
    arguments.insert(arguments.end(), {"--dir", folder.path().string()});
    return start("hivectl", arguments, {});
  }
  /// With these files, towards an endpoint where nobody is.
  [[nodiscard]] executor::process_outcome with(const std::string& certificate, const std::string& key,
                                               const std::string& authority, const std::string& program = "hivectl",
                                               const std::vector<std::string>& arguments = {"status"}) const {
    return start(program, arguments,
                 {{"HIVE_CLIENT_TLS_CERTIFICATE", certificate},
                  {"HIVE_CLIENT_TLS_KEY", key},
                  {"HIVE_CLIENT_TLS_AUTHORITY", authority}});
  }

 private:
  static executor::process_outcome start(const std::string& program, const std::vector<std::string>& arguments,
                                         std::vector<std::pair<std::string, std::string>> environment) {
    executor::process_payload payload;
    payload.argv = {std::string{HIVE_PROGRAM_FOLDER} + "/" + program};
    payload.argv.insert(payload.argv.end(), arguments.begin(), arguments.end());
    payload.env = std::move(environment);
    payload.env.insert(payload.env.end(), {{"HIVE_ENDPOINT", "127.0.0.1:1"}, {"HIVE_CONFIG", ""}});
    payload.time_limit_ms = 60'000;
    const auto outcome = executor::run_process(payload, {}, {}, {});
    if (!outcome) FAIL(outcome.failure().message);
    return *outcome;
  }
};

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

TEST_CASE("certificate files that cannot be used are told by their setting, and not as trouble with the network") {
  const pem_files files;
  const pem_files other;
  write(files.path("garbage"), "no PEM");
  auto over = gate::valid_for_days(1);
  over.from_unix_s -= 1'000'000;
  over.until_unix_s = over.from_unix_s + 1'000;
  std::ifstream certificate(files.path("authority.crt"));
  std::ifstream key(files.path("authority.key"));
  const gate::key_pair authority{std::string{std::istreambuf_iterator<char>(certificate), {}},
                                 std::string{std::istreambuf_iterator<char>(key), {}}};
  const auto expired = gate::issue_certificate(authority, {"old", gate::role::client, {}, over});
  REQUIRE(expired);
  write(files.path("old.crt"), expired->certificate);
  write(files.path("old.key"), expired->key);
  std::filesystem::permissions(files.path("old.key"), std::filesystem::perms::owner_read);

  struct mistake {
    std::string certificate, key, authority;
    int status;
    std::string field;
  };
  const std::string me = files.path("me.crt");
  const std::string mine = files.path("me.key");
  const std::string ours = files.path("authority.crt");
  const std::vector<mistake> mistakes = {
      {files.path("none"), mine, ours, not_found, "client.tls_certificate"},
      {me, files.path("none"), ours, not_found, "client.tls_key"},
      {me, mine, files.path("none"), not_found, "client.tls_authority"},
      {files.path("garbage"), mine, ours, invalid_argument, "client.tls_certificate"},
      {me, files.path("garbage"), ours, invalid_argument, "client.tls_key"},
      {me, mine, files.path("garbage"), invalid_argument, "client.tls_authority"},
      {files.folder.path().string(), mine, ours, invalid_argument, "client.tls_certificate"},
      {me, files.path("w1.key"), ours, invalid_argument, "client.tls_key"},
      {me, mine, other.path("authority.crt"), invalid_argument, "client.tls_certificate"},
      {files.path("old.crt"), files.path("old.key"), ours, invalid_argument, "client.tls_certificate"},
  };
  for (const auto& one : mistakes) {
    const auto outcome = files.with(one.certificate, one.key, one.authority);
    INFO(outcome.stderr_text);
    CHECK(outcome.exit_code == one.status);
    CHECK(holds(outcome.stderr_text, "(field: " + one.field + ")"));
    CHECK_FALSE(holds(outcome.stderr_text, "task list"));
  }
  const auto worker = files.with(me, files.path("none"), ours, "hive-worker", {});
  CHECK(worker.exit_code == not_found);
  CHECK(holds(worker.stderr_text, "(field: client.tls_key)"));
}

TEST_CASE("a key that others may read is warned of") {
  const pem_files files;
  const auto status = [&] {
    return files.with(files.path("me.crt"), files.path("me.key"), files.path("authority.crt"), "hivectl",
                      {"--timeout", "100ms", "status"});
  };
  const auto closed = status();
  CHECK(closed.exit_code == unavailable);
  CHECK_FALSE(holds(closed.stderr_text, "warning"));
  std::filesystem::permissions(files.path("me.key"), std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  CHECK(holds(status().stderr_text, "warning: others than the owner may read the private key " + files.path("me.key")));
}

TEST_CASE("a change of the authority ends only when every certificate is of the new one") {
  const pem_files files;
  const auto too_early = files.tls({"rotate", "--authority", "--finish"});
  CHECK(too_early.exit_code == failed_precondition);
  CHECK(holds(too_early.stderr_text, "no change of the authority is under way"));

  REQUIRE(files.tls({"rotate", "--authority"}).exit_code == 0);
  REQUIRE(files.tls({"rotate", "me"}).exit_code == 0);
  const auto between = files.tls({"show"});
  CHECK(holds(between.stdout_text, "old, trusted until --finish"));
  CHECK(holds(between.stdout_text, "of the old authority"));
  const auto refused = files.tls({"rotate", "--authority", "--finish"});
  CHECK(refused.exit_code == failed_precondition);
  CHECK(holds(refused.stderr_text, "would end to work: w1"));
  CHECK(holds(refused.stderr_text, "hivectl tls rotate w1 "));
  CHECK(files
            .with(files.path("w1.crt"), files.path("w1.key"), files.path("authority.crt"), "hivectl",
                  {"--timeout", "100ms", "status"})
            .exit_code == unavailable);  // as far as the files go, it works on

  REQUIRE(files.tls({"rotate"}).exit_code == 0);
  REQUIRE(files.tls({"rotate", "--authority", "--finish"}).exit_code == 0);
  const auto shown = nlohmann::json::parse(files.tls({"show", "-o", "json"}).stdout_text);
  REQUIRE(shown.size() == 3);
  CHECK(shown[0]["roles"] == "authority");
  for (const auto& one : shown) CHECK(one["check"] == "ok");
}

TEST_CASE("what tls prints in JSON is one value") {
  const pem_files files;
  CHECK(nlohmann::json::parse(files.tls({"rotate", "-o", "json"}).stdout_text).size() == 2);
  const auto begun = nlohmann::json::parse(files.tls({"rotate", "--authority", "-o", "json"}).stdout_text);
  CHECK(begun["is_finished"] == false);
  REQUIRE(files.tls({"rotate"}).exit_code == 0);
  const auto ended = nlohmann::json::parse(files.tls({"rotate", "--authority", "--finish", "-o", "json"}).stdout_text);
  CHECK(ended["is_finished"] == true);
  CHECK(ended["cluster"] == "demo");
  CHECK(holds(files.tls({"show", "-o", "yaml"}).stdout_text, "check: \"ok\""));
}

TEST_CASE("show tells of a certificate of another authority, and of a key that is not its own") {
  const pem_files files;
  const pem_files other;
  std::filesystem::copy_file(other.path("me.crt"), files.path("stranger.crt"));
  std::filesystem::copy_file(other.path("me.key"), files.path("stranger.key"));
  std::filesystem::copy_file(files.path("me.key"), files.path("w1.key"),
                             std::filesystem::copy_options::overwrite_existing);
  const auto shown = files.tls({"show"}).stdout_text;
  INFO(shown);
  CHECK(holds(shown, "unable to get local issuer certificate"));
  CHECK(holds(shown, "key: "));
}

TEST_CASE("a second tls init says what to do instead") {
  const pem_files files;
  const auto again = files.tls({"init", "demo"});
  CHECK(again.exit_code == already_exists);
  CHECK(holds(again.stderr_text, "holds an authority already"));
  CHECK(holds(again.stderr_text, "hivectl tls rotate --authority"));
}
