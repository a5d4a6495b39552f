#include "persistence/store.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <thread>

#include "core/keys.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::persistence {

using core::key;
using core::table;
using test::temporary_folder;
using testing::options_for;

namespace {

std::unique_ptr<store> open_store(const std::filesystem::path& folder, std::uint64_t map_bytes = 64ULL << 20) {
  auto opened = store::open(options_for(folder, map_bytes));
  if (!opened) throw std::runtime_error{to_string(opened.failure())};
  return std::move(opened).value();
}

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE("what was committed is there after the store is opened again") {
  const temporary_folder folder;
  {
    const auto opened = open_store(folder.path());
    const auto writer = opened->write();
    for (std::size_t i = 0; i < core::table_count; ++i) writer->put(static_cast<table>(i), "k", std::to_string(i));
    REQUIRE(writer->commit());
  }
  const auto opened = open_store(folder.path());
  const auto reader = opened->read();
  for (std::size_t i = 0; i < core::table_count; ++i) {
    CHECK(reader->get(static_cast<table>(i), "k") == std::to_string(i));
    CHECK(reader->size(static_cast<table>(i)) == 1);
  }
}

TEST_CASE("the folder and its files belong to their owner only") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path() / "a" / "b");
  CHECK(mode_of(folder.path() / "a" / "b") == 0700);
  for (const char* name : {"data.mdb", "lock.mdb", "LOCK"}) CHECK(mode_of(folder.path() / "a" / "b" / name) == 0600);
}

TEST_CASE("a transaction that ends without commit leaves no trace") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  opened->write()->put(table::meta, "k", "v");
  CHECK(opened->read()->get(table::meta, "k") == std::nullopt);
  const auto writer = opened->write();  // the aborted one has let go of the lock
  CHECK(writer->get(table::meta, "k") == std::nullopt);
}

TEST_CASE("a second write transaction is refused while one is open") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto writer = opened->write();
  CHECK_THROWS_AS(opened->write(), core::table_error);
}

TEST_CASE("a transaction that has ended refuses every further use") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto writer = opened->write();
  writer->put(table::meta, "k", "v");
  REQUIRE(writer->commit());
  CHECK_FALSE(writer->commit());
  CHECK_THROWS_AS(writer->put(table::meta, "k", "v"), core::table_error);
  CHECK_THROWS_AS(writer->get(table::meta, "k"), core::table_error);
}

TEST_CASE("a snapshot keeps its state, and any thread may read and end it") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto put = [&](std::string_view value) {
    const auto writer = opened->write();
    writer->put(table::meta, "k", value);
    REQUIRE(writer->commit());
  };
  put("old");
  auto snapshot = opened->read();
  put("new");
  std::string seen;
  std::thread{[&seen, moved = std::move(snapshot)]() mutable {
    seen = moved->get(table::meta, "k").value_or("nothing");
    moved.reset();
  }}.join();
  CHECK(seen == "old");
  CHECK(opened->read()->get(table::meta, "k") == "new");
}

TEST_CASE("too many snapshots at once are refused, and a freed one makes room") {
  const temporary_folder folder;
  auto options = options_for(folder.path());
  options.readers_max = 3;
  auto opened = store::open(options);
  REQUIRE(opened);
  std::vector<std::unique_ptr<read_snapshot>> snapshots;
  for (int i = 0; i < 3; ++i) snapshots.push_back((*opened)->read());
  try {
    snapshots.push_back((*opened)->read());
    FAIL("a fourth snapshot was given");
  } catch (const core::table_error& failure) {
    CHECK(failure.code() == errc::resource_exhausted);
  }
  snapshots.pop_back();
  CHECK((*opened)->read() != nullptr);
}

TEST_CASE("an appended key that is not the largest is put in its place") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto writer = opened->write();
  writer->append(table::event, "b", "1");
  writer->append(table::event, "c", "2");
  writer->append(table::event, "a", "3");
  writer->append(table::event, "c", "4");
  std::string seen;
  writer->scan(table::event, "", [&](std::string_view name, std::string_view value) {
    seen.append(name).append(value);
    return true;
  });
  CHECK(seen == "a3b1c4");
  CHECK(writer->commit());
}

TEST_CASE("keys outside 1 to 511 bytes cannot be put and are never there") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto writer = opened->write();
  const std::string long_key(512, 'k');
  CHECK_THROWS_AS(writer->put(table::meta, "", "v"), core::table_error);
  CHECK_THROWS_AS(writer->put(table::meta, long_key, "v"), core::table_error);
  CHECK(writer->get(table::meta, long_key) == std::nullopt);
  CHECK(writer->get(table::meta, "") == std::nullopt);
  CHECK_FALSE(writer->erase(table::meta, long_key));
  const std::string longest(511, 'k');
  writer->put(table::meta, longest, "v");
  CHECK(writer->get(table::meta, longest) == "v");
  REQUIRE(writer->commit());
}

TEST_CASE("an exception of a visitor passes through a scan and the transaction lives on") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto writer = opened->write();
  writer->put(table::meta, "k", "v");
  CHECK_THROWS_AS(writer->scan(table::meta, "", [](auto, auto) -> bool { throw std::runtime_error{"no"}; }),
                  std::runtime_error);
  CHECK(writer->commit());
}

TEST_CASE("a commit counts once, and one without changes does not count") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  CHECK(opened->figures().commits == 0);
  REQUIRE(opened->write()->commit());
  CHECK(opened->figures().commits == 0);
  const auto writer = opened->write();
  writer->put(table::meta, "k", "v");
  REQUIRE(writer->commit());
  CHECK(opened->figures().commits == 1);
}

TEST_CASE("used bytes grow with what is stored and shrink when it is erased") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path());
  const auto before = opened->figures();
  const std::string value(8000, 'x');
  {
    const auto writer = opened->write();
    for (std::uint64_t i = 0; i < 1000; ++i) writer->append(table::event, key{}.u64(i), value);
    REQUIRE(writer->commit());
  }
  const auto full = opened->figures();
  CHECK(full.used_bytes > before.used_bytes + 8'000'000);
  CHECK(full.file_bytes >= 8'000'000);
  {
    const auto writer = opened->write();
    for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(writer->erase(table::event, key{}.u64(i)));
    REQUIRE(writer->commit());
  }
  const auto empty = opened->figures();
  CHECK(empty.used_bytes < before.used_bytes + 200'000);
  CHECK(empty.free_pages * empty.page_bytes > 7'500'000);
  CHECK(empty.file_bytes >= full.file_bytes);  // the file keeps its pages
}

TEST_CASE("the figures are the same after the store is opened again") {
  const temporary_folder folder;
  storage_figures before;
  {
    const auto opened = open_store(folder.path());
    for (std::uint64_t round = 0; round < 20; ++round) {
      const auto writer = opened->write();
      for (std::uint64_t i = 0; i < 100; ++i) writer->put(table::task_spec, key{}.u64(i * 20 + round), "some text");
      if (round > 0) writer->erase(table::task_spec, key{}.u64(round - 1));
      REQUIRE(writer->commit());
    }
    before = opened->figures();
  }
  const auto opened = open_store(folder.path());
  CHECK(opened->figures().used_bytes == before.used_bytes);
  CHECK(opened->figures().free_pages == before.free_pages);
}

TEST_CASE("a file that was grown ahead keeps its size over small commits, and opens again") {
  const temporary_folder folder;
  const auto file = folder.path() / "data.mdb";
  const auto put_one = [](store& of, std::uint64_t key) {
    const auto transaction = of.write();
    transaction->put(table::task_spec, core::key{}.u64(key), std::string(200, 'x'));
    REQUIRE(transaction->commit());
  };
  std::uintmax_t grown = 0;
  {
    const auto opened = store::open(options_for(folder.path()));
    REQUIRE(opened);
    put_one(**opened, 1);
    const auto before = std::filesystem::file_size(file);
    (*opened)->grow_ahead();
    grown = std::filesystem::file_size(file);
    CHECK(grown >= before + (1U << 20));
    for (std::uint64_t key = 2; key < 500; ++key) {
      put_one(**opened, key);
      (*opened)->grow_ahead();
    }
    CHECK(std::filesystem::file_size(file) == grown);
    // Far beyond, it is grown again.
    for (std::uint64_t key = 500; key < 600; ++key) {
      const auto transaction = (*opened)->write();
      transaction->put(table::task_spec, core::key{}.u64(key), std::string(20'000, 'y'));
      REQUIRE(transaction->commit());
      (*opened)->grow_ahead();
    }
    CHECK(std::filesystem::file_size(file) > grown);
  }
  const auto again = store::open(options_for(folder.path()));
  REQUIRE(again);
  CHECK((*again)->read()->size(table::task_spec) == 599);
  CHECK((*again)->read()->get(table::task_spec, core::key{}.u64(400)) == std::string(200, 'x'));
}

TEST_CASE("a copy has the same entries, takes less room and opens as a store") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path() / "store");
  {
    const auto writer = opened->write();
    for (std::uint64_t i = 0; i < 2000; ++i) writer->append(table::event, key{}.u64(i), std::string(2000, 'x'));
    REQUIRE(writer->commit());
  }
  {
    const auto writer = opened->write();
    for (std::uint64_t i = 0; i < 1990; ++i) writer->erase(table::event, key{}.u64(i));
    REQUIRE(writer->commit());
  }
  const auto held = opened->write();  // a writer in between does not block the copy
  held->put(table::meta, "k", "not committed");
  const auto target = folder.path() / "copy";
  REQUIRE(opened->copy_to(target));
  CHECK(std::filesystem::file_size(target / "data.mdb") < 300'000);
  CHECK(mode_of(target / "data.mdb") == 0600);
  const auto copy = open_store(target);
  CHECK(copy->read()->size(table::event) == 10);
  CHECK(copy->read()->get(table::meta, "k") == std::nullopt);
  const auto writer = copy->write();
  writer->put(table::meta, "k", "v");
  CHECK(writer->commit());
  const auto again = opened->copy_to(target);
  REQUIRE_FALSE(again);
  CHECK(again.failure().code == errc::already_exists);
}

TEST_CASE("a copy that is under way ends at once when it is told to, leaves no file, and the next one works") {
  const temporary_folder folder;
  const auto opened = open_store(folder.path() / "store", 2ULL << 30);
  {
    const auto writer = opened->write();
    for (std::uint64_t i = 0; i < 400; ++i) writer->append(table::event, key{}.u64(i), std::string(1 << 20, 'x'));
    REQUIRE(writer->commit());
  }
  const auto target = folder.path() / "copy";
  result<void> copied;
  std::thread copying([&] { copied = opened->copy_to(target); });
  while (!std::filesystem::exists(target / "data.mdb.part")) std::this_thread::yield();
  // The file is there a moment before it can be told to stop.
  while (std::filesystem::file_size(target / "data.mdb.part") == 0) std::this_thread::yield();
  opened->stop_copies();
  copying.join();
  REQUIRE_FALSE(copied);
  CHECK(copied.failure().code == errc::unavailable);
  CHECK(std::filesystem::is_empty(target));
  CHECK(opened->copy_to(target));
}

}  // namespace hive::persistence
