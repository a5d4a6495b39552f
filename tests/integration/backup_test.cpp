// Backups of a node that serves, and what becomes of them.
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include <sys/stat.h>

#include "core/keys.hpp"
#include "persistence/store.hpp"
#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

std::size_t entries(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder)) return 0;
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

finished restore(const std::filesystem::path& file, const std::filesystem::path& folder) {
  return run({program("hivectl"), "-o", "json", "restore", file.string(), "--data-dir", folder.string()});
}

/// All ids from `first` on are there; answers how many more there are.
void check_all_there(client& connection, const std::vector<task_id>& ids) {
  const auto stored = connection.get_tasks(ids, {false, false});
  REQUIRE(stored);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!(*stored)[i]) FAIL_CHECK(to_string(ids[i]) << " is lost: " << to_string((*stored)[i].failure()));
  }
}

void check_tables(client& connection) {
  const auto checked = connection.check();
  REQUIRE(checked);
  for (const auto& violation : checked->violations()) FAIL_CHECK(violation);
}

}  // namespace

TEST_CASE("a backup that is made under load holds everything that was acknowledged before it began") {
  const node server;
  const auto worker = server.start_worker("w1", 8);
  const auto connection = server.connect();
  std::vector<task_id> before;
  for (int batch = 0; batch < 20; ++batch) {
    const auto created = connection->create_tasks(std::vector<v1::TaskSpec>(500, task_of("noop")));
    REQUIRE(created);
    for (const auto& one : *created) before.push_back(one->id);
  }
  std::atomic<bool> is_over{false};
  std::atomic<int> meanwhile{0};
  std::thread load([&] {
    while (!is_over) {
      auto spec = task_of("noop");
      spec.set_payload(std::string(2'000, 'x'));
      if (connection->create_task(spec)) ++meanwhile;
    }
  });
  const bool is_loaded = eventually([&] { return meanwhile > 20; });
  const auto file = server.folder() / "hive.backup";
  const auto made = server.ctl({"-o", "json", "backup", file.string()});
  is_over = true;
  load.join();
  REQUIRE(is_loaded);
  INFO(made.output);
  REQUIRE(made.status == 0);
  const auto told = nlohmann::json::parse(made.output);
  CHECK(told.at("bytes") == std::filesystem::file_size(file));
  CHECK(told.at("file") == file.string());
  CHECK_FALSE(std::filesystem::exists(file.string() + ".part"));
  // The node has nothing left of it, and goes on.
  CHECK(eventually([&] { return entries(server.data_folder() / "copies") == 0; }));
  REQUIRE(connection->create_task(task_of("noop")));

  node other;
  REQUIRE(other.stop() == 0);
  std::filesystem::remove_all(other.data_folder());
  const auto restored = restore(file, other.data_folder());
  INFO(restored.output);
  REQUIRE(restored.status == 0);
  CHECK(nlohmann::json::parse(restored.output).at("tasks").get<std::size_t>() >= before.size());
  CHECK_FALSE(nlohmann::json::parse(restored.output).at("was_member").get<bool>());
  other.start();
  const auto restored_client = other.connect();
  check_all_there(*restored_client, before);
  check_tables(*restored_client);
  // It works on: what the old node had not finished is done here.
  const auto other_worker = other.start_worker("w1", 8);
  CHECK(restored_client->wait_task(before.back(), 60s));
  REQUIRE(restored_client->create_task(task_of("noop")));
}

TEST_CASE("the SDK tells how a backup goes on, and replaces the file only when the new one is complete") {
  const node server;
  const auto connection = server.connect();
  auto spec = task_of("noop");
  spec.set_payload(std::string(200'000, 'x'));
  REQUIRE(connection->create_tasks(std::vector<v1::TaskSpec>(20, spec)));
  const auto file = server.folder() / "hive.backup";
  std::ofstream(file) << "an older backup";
  std::uint64_t last = 0;
  std::uint64_t total = 0;
  int calls = 0;
  const auto bytes = connection->backup(file, [&](std::uint64_t done, std::uint64_t all) {
    CHECK(done >= last);
    last = done;
    total = all;
    ++calls;
    if (done < all) CHECK(std::filesystem::file_size(file) == 15);
  });
  REQUIRE(bytes);
  CHECK(*bytes > 20 * 200'000);
  CHECK(last == *bytes);
  CHECK(total == *bytes);
  CHECK(calls > 5);
  CHECK(std::filesystem::file_size(file) == *bytes);

  const auto nowhere = connection->backup(server.folder() / "missing" / "file");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.failure().code == errc::not_found);
  const auto refused = server.ctl({"backup", file.string()});
  CHECK(refused.status == exit_status(errc::already_exists));
  CHECK(server.ctl({"backup", "--overwrite", file.string()}).status == 0);
}

TEST_CASE("a backup replaces regular files only, and takes no part file of somebody else for its own") {
  const node server;
  const auto file = server.folder() / "hive.backup";
  const auto part = file.string() + ".part";
  const auto refused = [&](std::vector<std::string> arguments, errc code, const std::string& words) {
    const auto outcome = server.ctl(std::move(arguments));
    INFO(outcome.output);
    CHECK(outcome.status == exit_status(code));
    CHECK(outcome.output.find(words) != std::string::npos);
  };
  const auto pipe = server.folder() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  refused({"backup", "--overwrite", pipe.string()}, errc::invalid_argument, "replaces regular files only");
  CHECK(std::filesystem::is_fifo(pipe));
  const auto dangling = server.folder() / "dangling";
  std::filesystem::create_symlink(server.folder() / "nowhere", dangling);
  refused({"backup", dangling.string()}, errc::already_exists, "exists");
  refused({"backup", "--overwrite", dangling.string()}, errc::invalid_argument, "is a symbolic link");
  CHECK(std::filesystem::is_symlink(dangling));

  std::ofstream(part) << "somebody's";
  refused({"backup", file.string()}, errc::already_exists, part + " is there");
  CHECK(std::filesystem::file_size(part) == 10);
  CHECK_FALSE(std::filesystem::exists(file));
  std::filesystem::remove(part);
  CHECK(server.ctl({"backup", file.string()}).status == 0);
  using std::filesystem::perms;
  CHECK(std::filesystem::status(file).permissions() == (perms::owner_read | perms::owner_write));
  CHECK_FALSE(std::filesystem::exists(part));

  // Of this machine's disk, and so without advice about the node.
  const auto missing = server.ctl({"backup", (server.folder() / "missing" / "file").string()});
  CHECK(missing.status == exit_status(errc::not_found));
  CHECK(missing.output.find("next:") == std::string::npos);
}

TEST_CASE("a backup whose node dies leaves no file, and the node's leftovers go with its next start") {
  node server;
  const auto connection = server.connect();
  auto spec = task_of("noop");
  spec.set_payload(std::string(200'000, 'x'));
  REQUIRE(connection->create_tasks(std::vector<v1::TaskSpec>(50, spec)));
  const auto file = server.folder() / "hive.backup";
  bool is_killed = false;
  const auto survived = connection->backup(file, [&](std::uint64_t done, std::uint64_t) {
    if (std::exchange(is_killed, true)) return;
    CHECK(done == 0);
    server.kill();
    CHECK(entries(server.data_folder() / "copies") == 1);
    server.start();
    CHECK(eventually([&] { return entries(server.data_folder() / "copies") == 0; }));
  });
  // The copy was lost, so that the SDK has made another.
  REQUIRE(is_killed);
  if (!survived) FAIL(to_string(survived.failure()));
  CHECK(std::filesystem::file_size(file) == *survived);
  CHECK(entries(server.folder()) == 3);  // data, log, backup
}

TEST_CASE("restore refuses what is no backup, and folders with data, and leaves no trace there") {
  const node server;
  const temporary_folder place;
  const auto file = server.folder() / "hive.backup";
  REQUIRE(server.ctl({"backup", file.string()}).status == 0);

  const auto in_use = restore(file, server.data_folder());
  CHECK(in_use.status == exit_status(errc::already_exists));
  const auto target = place.path() / "data";
  CHECK(restore(place.path() / "nothing", target).status == exit_status(errc::not_found));
  const auto text = place.write("text", std::string(100'000, 't'));
  const auto no_store = restore(text, target);
  INFO(no_store.output);
  CHECK((no_store.status == exit_status(errc::failed_precondition) || no_store.status == exit_status(errc::data_loss)));
  const auto cut = place.file("cut");
  std::filesystem::copy_file(file, cut);
  std::filesystem::resize_file(cut, std::filesystem::file_size(file) / 2);
  CHECK(restore(cut, target).status == exit_status(errc::data_loss));
  CHECK_FALSE(std::filesystem::exists(target));

  std::filesystem::create_directories(target);
  CHECK(restore(cut, target).status == exit_status(errc::data_loss));
  CHECK(entries(target) == 0);
  // What an interrupted restore left does not hinder the next.
  std::filesystem::create_directories(target / "restoring");
  std::ofstream(target / "restoring" / "data.mdb") << "half";
  CHECK(restore(file, target).status == 0);
  CHECK(std::filesystem::exists(target / "data.mdb"));
  CHECK_FALSE(std::filesystem::exists(target / "restoring"));
  CHECK(restore(file, target).status == exit_status(errc::already_exists));
}

TEST_CASE("a restored member of a cluster stands alone: its log and its vote are gone, its tasks are not") {
  const temporary_folder place;
  const auto source = place.path() / "member";
  {
    node alone;
    REQUIRE(alone.connect()->create_tasks(std::vector<v1::TaskSpec>(7, task_of("noop"))));
    REQUIRE(alone.ctl({"backup", (place.path() / "alone").string()}).status == 0);
  }
  std::filesystem::create_directories(source);
  std::filesystem::copy_file(place.path() / "alone", source / "data.mdb");
  {
    persistence::store_options options;
    options.folder = source;
    const auto opened = persistence::store::open(options);
    REQUIRE(opened);
    const auto change = (*opened)->write();
    for (std::uint64_t i = 1; i <= 25'000; ++i) change->put(core::table::log, core::key{}.u64(i).view(), "entry");
    change->put(core::table::log_meta, "vote", "x");
    REQUIRE(change->commit());
  }
  const auto target = place.path() / "data";
  const auto restored = restore(source / "data.mdb", target);
  INFO(restored.output);
  REQUIRE(restored.status == 0);
  const auto told = nlohmann::json::parse(restored.output);
  CHECK(told.at("was_member") == true);
  CHECK(told.at("log_entries_removed") == 25'000);
  CHECK(told.at("tasks") == 7);
  persistence::store_options options;
  options.folder = target;
  const auto opened = persistence::store::open(options);
  REQUIRE(opened);
  CHECK((*opened)->read()->size(core::table::log) == 0);
  CHECK((*opened)->read()->size(core::table::log_meta) == 0);
}
