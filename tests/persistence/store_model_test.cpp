#include <catch2/catch.hpp>
#include <random>

#include "core/memory_tables.hpp"
#include "persistence/store.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::persistence {

using core::table;
using test::temporary_folder;
using testing::options_for;

namespace {

using entries = std::vector<std::pair<std::string, std::string>>;

/// Random work on a store and on the model, side by side.
class model_run {
 public:
  explicit model_run(unsigned seed) : random_(seed) {}

  void change(write_transaction& writer, core::memory_tables& model) {
    const auto where = some_table();
    const auto name = some_key();
    switch (pick(10)) {
      case 0:
      case 1:
      case 2:
        CHECK(writer.erase(where, name) == model.erase(where, name));
        break;
      case 3: {
        const auto value = some_value();
        writer.append(where, name, value);
        model.append(where, name, value);
        break;
      }
      default: {
        const auto value = some_value();
        writer.put(where, name, value);
        model.put(where, name, value);
      }
    }
  }

  void look(const core::table_reader& reader, const core::memory_tables& model) {
    const auto where = some_table();
    const auto name = some_key();
    const auto stop_after = pick(3) == 0 ? pick(5) : 100000;
    CHECK(reader.get(where, name) == model.get(where, name));
    CHECK(reader.size(where) == model.size(where));
    CHECK(up(reader, where, name, stop_after) == up(model, where, name, stop_after));
    CHECK(down(reader, where, name, stop_after) == down(model, where, name, stop_after));
    CHECK(up(reader, where, "", stop_after) == up(model, where, "", stop_after));
    CHECK(down(reader, where, "", stop_after) == down(model, where, "", stop_after));
  }

  unsigned pick(unsigned count) { return std::uniform_int_distribution<unsigned>{0, count - 1}(random_); }

 private:
  table some_table() { return static_cast<table>(pick(3)); }
  std::string some_key() {
    std::string name(1 + pick(3), '\0');
    for (char& letter : name) letter = static_cast<char>(pick(2) == 0 ? pick(4) : 252 + pick(4));
    return name;
  }
  std::string some_value() { return std::string(pick(20) == 0 ? pick(20000) : pick(40), static_cast<char>(pick(256))); }

  static entries up(const core::table_reader& reader, table where, std::string_view from, unsigned stop_after) {
    entries found;
    reader.scan(where, from, [&](std::string_view name, std::string_view value) {
      found.emplace_back(name, value);
      return found.size() < stop_after;
    });
    return found;
  }
  static entries down(const core::table_reader& reader, table where, std::string_view before, unsigned stop_after) {
    entries found;
    reader.scan_back(where, before, [&](std::string_view name, std::string_view value) {
      found.emplace_back(name, value);
      return found.size() < stop_after;
    });
    return found;
  }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("the store behaves as ordered maps do, over commits, aborts, snapshots and restarts") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U);
  const temporary_folder folder;
  model_run run{seed};
  core::memory_tables committed;
  auto opened = store::open(options_for(folder.path()));
  REQUIRE(opened);
  for (int round = 0; round < 150; ++round) {
    auto snapshot = (*opened)->read();
    const core::memory_tables before = committed;
    auto writer = (*opened)->write();
    core::memory_tables changed = committed;
    for (unsigned i = 0, count = run.pick(40); i < count; ++i) {
      run.change(*writer, changed);
      if (i % 8 == 0) run.look(*writer, changed);
    }
    if (run.pick(4) != 0) {
      REQUIRE(writer->commit());
      committed = changed;
    }
    writer.reset();
    run.look(*snapshot, before);
    run.look(*(*opened)->read(), committed);
    if (run.pick(20) == 0) {
      snapshot.reset();
      opened.value().reset();
      opened = store::open(options_for(folder.path()));
      INFO((opened ? "" : to_string(opened.failure())));
      REQUIRE(opened);
      run.look(*(*opened)->read(), committed);
    }
  }
}

}  // namespace hive::persistence
