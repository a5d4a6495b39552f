#include "apps/hivectl/cluster_recovery.hpp"

#include <filesystem>

#include <catch2/catch.hpp>

#include "apps/executor/process_runner.hpp"
#include "persistence/store.hpp"
#include "replication/configuration.hpp"
#include "replication/table_log_store.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive;
using namespace hive::replication;

namespace {

std::unique_ptr<persistence::store> open_store(const std::filesystem::path& folder) {
  persistence::store_options options;
  options.folder = folder;
  options.map_bytes_max = 64U << 20U;
  auto opened = persistence::store::open(options);
  REQUIRE(opened);
  return std::move(*opened);
}

configuration three_members() {
  return {{{node_id{1}, "10.0.0.1:7117"}, {node_id{2}, "10.0.0.2:7117"}, {node_id{3}, "10.0.0.3:7117"}}};
}

/// The data of a member with an entry in its log that was never committed here.
void make_member(const std::filesystem::path& folder) {
  const auto store = open_store(folder);
  const auto transaction = store->write();
  table_log_store log{*transaction};
  REQUIRE(found_cluster(log, three_members()));
  log.append(3, std::make_shared<const log_entry>(log_entry{1, entry_type::command, "work"}));
  REQUIRE(transaction->commit());
}

executor::process_outcome run_recover(const std::vector<std::string>& arguments) {
  executor::process_payload payload;
  payload.argv = {std::string{HIVE_PROGRAM_FOLDER} + "/hivectl", "cluster", "recover"};
  payload.argv.insert(payload.argv.end(), arguments.begin(), arguments.end());
  payload.env = {{"HIVE_CONFIG", ""}};
  payload.time_limit_ms = 60'000;
  const auto outcome = executor::run_process(payload, {}, {}, {});
  if (!outcome) FAIL(outcome.failure().message);
  return *outcome;
}

}  // namespace

TEST_CASE("recovery explains what it would do, and changes nothing without --yes") {
  const test::temporary_folder folder;
  make_member(folder.path());
  const auto told =
      run_recover({"--data-dir", folder.path().string(), "--node-id", "2", "--endpoint", "10.0.0.2:7117"});
  CHECK(told.exit_code == 2);
  CHECK(told.stderr_text.find("node 3 at 10.0.0.3:7117  voter") != std::string::npos);
  CHECK(told.stderr_text.find("Nothing was changed") != std::string::npos);
  CHECK(told.stderr_text.find("--yes") != std::string::npos);
  const auto found = hivectl::read_stored_cluster(folder.path());
  REQUIRE(found);
  CHECK(found->members == three_members());
  CHECK(found->log.last == 3);
}

TEST_CASE("recovery refuses a node that the data do not know, also without --yes, and tells JSON when asked") {
  const test::temporary_folder folder;
  make_member(folder.path());
  const auto unknown =
      run_recover({"--data-dir", folder.path().string(), "--node-id", "7", "--endpoint", "10.0.0.2:7117"});
  CHECK(unknown.exit_code == 11);
  CHECK(unknown.stderr_text.find("this data knows no member 7") != std::string::npos);
  const auto done = run_recover(
      {"--data-dir", folder.path().string(), "--node-id", "2", "--endpoint", "10.0.0.9:7117", "--yes", "-o", "json"});
  CHECK(done.exit_code == 0);
  CHECK(done.stdout_text.starts_with("{\n"));
  CHECK(done.stdout_text.find("\"node_id\": 2") != std::string::npos);
}

TEST_CASE("recovery makes the node the only voter and keeps its log") {
  const test::temporary_folder folder;
  make_member(folder.path());
  const auto done =
      run_recover({"--data-dir", folder.path().string(), "--node-id", "2", "--endpoint", "10.0.0.9:7117", "--yes"});
  INFO(done.stderr_text);
  CHECK(done.exit_code == 0);
  CHECK(done.stdout_text.find("hivectl cluster add NODE_ID HOST:PORT") != std::string::npos);
  const auto found = hivectl::read_stored_cluster(folder.path());
  REQUIRE(found);
  CHECK(found->members == configuration{{{node_id{2}, "10.0.0.9:7117"}}});
  CHECK(found->log.term == 2);
  CHECK(found->log.last == 4);
  const auto store = open_store(folder.path());
  const auto transaction = store->write();
  const table_log_store log{*transaction};
  REQUIRE(log.read(3));
  CHECK(log.read(3)->payload == "work");
}

TEST_CASE("recovery refuses what is not the data of a stopped member") {
  const test::temporary_folder folder;
  const auto code = [&](const std::filesystem::path& where, std::uint64_t id, const std::string& endpoint) {
    const auto done = hivectl::recover_cluster(where, id, endpoint);
    return done ? errc::none : done.failure().code;
  };
  const auto nowhere = folder.path() / "misspelt";
  CHECK(code(nowhere, 2, "10.0.0.2:7117") == errc::not_found);
  CHECK_FALSE(std::filesystem::exists(nowhere));

  const auto alone = folder.path() / "alone";
  open_store(alone);
  CHECK(code(alone, 2, "10.0.0.2:7117") == errc::failed_precondition);

  const auto member = folder.path() / "member";
  make_member(member);
  CHECK(code(member, 7, "10.0.0.2:7117") == errc::invalid_argument);
  CHECK(code(member, 2, "10.0.0.2") == errc::invalid_argument);
  CHECK(code(member, 2, "10.0.0.2:0") == errc::invalid_argument);
  {
    const auto running = open_store(member);
    const auto refused =
        run_recover({"--data-dir", member.string(), "--node-id", "2", "--endpoint", "10.0.0.2:7117", "--yes"});
    CHECK(refused.exit_code == 16);
    CHECK(refused.stderr_text.find("stop hived first") != std::string::npos);
  }
  CHECK(code(member, 2, "10.0.0.2:7117") == errc::none);
}
