// A store that gets another's state, and what is left when that fails half-way.
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>
#include <vector>

#include "persistence/store.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::persistence {

using core::table;
using test::temporary_folder;
using testing::options_for;

namespace {

constexpr const char* data_file = "data.mdb";

void put(store& target, const std::string& value) {
  const auto writer = target.write();
  writer->put(table::meta, "row", value);
  REQUIRE(writer->commit());
}

std::string value_of(store& target) { return std::string{target.read()->get(table::meta, "row").value_or("nothing")}; }

/// A store with "old", and the closed one of another node with "new".
struct two_stores {
  two_stores() {
    auto opened = store::open_replaceable(options_for(folder.path() / "own"));
    REQUIRE(opened);
    own = std::move(*opened);
    put(*own, "old");
    const auto other = store::open(options_for(copy()));
    REQUIRE(other);
    put(**other, "new");
  }
  [[nodiscard]] std::filesystem::path copy() const { return folder.path() / "copy"; }
  [[nodiscard]] std::filesystem::path own_file() const { return folder.path() / "own" / data_file; }

  const temporary_folder folder;
  std::unique_ptr<store> own;
};

/// The copy is damaged, and the sound one waits under another name.
void replace_by_damaged(two_stores& stores) {
  std::filesystem::rename(stores.copy() / data_file, stores.copy() / "sound");
  std::ofstream{stores.copy() / data_file} << std::string(100'000, 'x');
  REQUIRE_FALSE(stores.own->replace(stores.copy()));
}

}  // namespace

TEST_CASE("a store goes on with the state that took the place of its own") {
  two_stores stores;
  REQUIRE(stores.own->replace(stores.copy()));
  CHECK(value_of(*stores.own) == "new");
  put(*stores.own, "newer");
  CHECK(value_of(*stores.own) == "newer");
}

TEST_CASE("a store whose replacement could not be moved into place goes on with its own state") {
  two_stores stores;
  std::filesystem::remove(stores.copy() / data_file);
  REQUIRE_FALSE(stores.own->replace(stores.copy()));
  SECTION("the next use is a read") { CHECK(value_of(*stores.own) == "old"); }
  SECTION("the next use is a write") {
    put(*stores.own, "newer");
    CHECK(value_of(*stores.own) == "newer");
  }
  SECTION("the next use is another replacement") {
    const auto again = store::open(options_for(stores.folder.path() / "again"));
    REQUIRE(again);
    put(**again, "newest");
    REQUIRE((*again)->copy_to(stores.folder.path() / "closed"));
    REQUIRE(stores.own->replace(stores.folder.path() / "closed"));
    CHECK(value_of(*stores.own) == "newest");
  }
}

TEST_CASE("a store that cannot be opened after its replacement is tried again with each use") {
  two_stores stores;
  replace_by_damaged(stores);
  for (int i = 0; i < 3; ++i) {
    CHECK_THROWS_AS(stores.own->read(), core::table_error);
    CHECK_THROWS_AS(stores.own->write(), core::table_error);
  }
  CHECK_FALSE(stores.own->copy_to(stores.folder.path() / "backup"));
  CHECK(stores.own->figures().file_bytes == 0);
  std::filesystem::rename(stores.copy() / "sound", stores.own_file());
  std::atomic<int> found = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      try {
        if (value_of(*stores.own) == "new") ++found;
      } catch (const core::table_error&) {
        return;  // not found
      }
    });
  }
  for (auto& one : readers) one.join();
  CHECK(found == 4);
  put(*stores.own, "newer");
  CHECK(value_of(*stores.own) == "newer");
}

TEST_CASE("a store whose file is gone is not begun anew") {
  two_stores stores;
  replace_by_damaged(stores);
  std::filesystem::remove(stores.own_file());
  CHECK_THROWS_AS(stores.own->read(), core::table_error);
  CHECK_THROWS_AS(stores.own->write(), core::table_error);
  CHECK_FALSE(std::filesystem::exists(stores.own_file()));
}

}  // namespace hive::persistence
