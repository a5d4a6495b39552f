#include "replication/log_store.hpp"

#include <lmdb.h>

#include <catch2/catch.hpp>

#include "core/keys.hpp"
#include "core/memory_tables.hpp"
#include "replication/table_log_store.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/replication/lone_node.hpp"
#include "tests/temporary_folder.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)
using hive::core::table;
using hive::persistence::store;
using hive::persistence::testing::options_for;
using hive::test::temporary_folder;

namespace {

const configuration members{{{node_id{1}, "a", member_role::voter}, {node_id{2}, "b", member_role::stand_by}}};

void check_same(const state_point& a, const state_point& b) {
  CHECK(a.index == b.index);
  CHECK(a.term == b.term);
  CHECK(a.configuration_index == b.configuration_index);
  CHECK(a.members == b.members);
}

void check_same(const log_store& one, const log_store& other) {
  const stored_state a = one.load();
  const stored_state b = other.load();
  CHECK(a.term == b.term);
  CHECK(a.voted_for == b.voted_for);
  CHECK(a.first == b.first);
  CHECK(a.last == b.last);
  check_same(a.snapshot, b.snapshot);
  check_same(a.applied, b.applied);
  log_index next = a.first;
  one.scan(a.first, a.last, [&](log_index index, const entry_ptr& entry) {
    REQUIRE(index == next++);
    const entry_ptr twin = other.read(index);
    REQUIRE(twin != nullptr);
    REQUIRE(twin->term == entry->term);
    REQUIRE(twin->type == entry->type);
    REQUIRE(twin->payload == entry->payload);
  });
  CHECK(next == a.last + 1);
  CHECK(one.read(a.last + 1) == nullptr);
  CHECK(one.read(a.first - 1) == nullptr);
}

/// One random change, the same to both.
void change_both(random_source& random, log_store& a, log_store& b) {
  const stored_state at = a.load();
  const auto both = [&](const auto& change) {
    change(a);
    change(b);
  };
  const state_point point{at.last, 3, 2, members};
  switch (random.below(8)) {
    case 0:
      return both([&](log_store& one) { one.save_vote(at.term + 1, node_id{1 + at.term % 3}); });
    case 1:
      if (at.last < at.first) return;
      return both([from = at.first + random.below(at.last + 1 - at.first), &at](log_store& one) {
        one.truncate(from, at.last);
      });
    case 2:
      if (at.last < at.first) return;
      return both(
          [to = at.first + random.below(at.last + 1 - at.first), &at](log_store& one) { one.compact(at.first, to); });
    case 3:
      if (!random.one_in(10)) return;
      return both([&](log_store& one) { one.reset(at.last + 5); });
    case 4:
      return both([&](log_store& one) {
        one.save_applied(point);
        one.save_snapshot(point);
      });
    default: {
      const auto entry = lone_node::entry(1 + random.below(5), static_cast<entry_type>(1 + random.below(3)),
                                          std::string(random.below(3000), 'p'));
      return both([&](log_store& one) { one.append(at.last + 1, entry); });
    }
  }
}

std::unique_ptr<store> open_store(const std::filesystem::path& folder) {
  auto opened = store::open(options_for(folder));
  REQUIRE(opened);
  return std::move(*opened);
}

}  // namespace

TEST_CASE("the log in LMDB and the log in memory do the same, over commits, aborts and restarts") {
  random_source random{3};
  const temporary_folder folder;
  auto opened = open_store(folder.path() / "s");
  memory_log_store model;
  for (int round = 0; round < 300; ++round) {
    auto transaction = opened->write();
    table_log_store log{*transaction};
    for (std::uint64_t i = random.below(12); i > 0; --i) change_both(random, log, model);
    check_same(log, model);
    if (random.one_in(3)) {
      transaction.reset();
      model.abort();
    } else {
      REQUIRE(transaction->commit());
      model.commit();
    }
    if (random.one_in(20)) {
      transaction.reset();
      opened.reset();
      opened = open_store(folder.path() / "s");
    }
  }
  CHECK(model.load().term > 10);
}

TEST_CASE("a damaged log is found when it is loaded") {
  const auto breaks = [](const std::function<void(hive::core::table_transaction&)>& damage) {
    hive::core::memory_tables tables;
    table_log_store log{tables};
    REQUIRE(found_cluster(log, members));
    for (log_index i = 3; i < 8; ++i) log.append(i, lone_node::command(1, i));
    damage(tables);
    try {
      static_cast<void>(log.load());
      log.scan(3, 7, [](log_index, const entry_ptr&) {});
    } catch (const hive::core::table_error& failure) {
      return failure.code() == hive::errc::data_loss;
    }
    return false;
  };
  CHECK_FALSE(breaks([](auto&) {}));
  CHECK(breaks([](auto& tables) { tables.erase(table::log, hive::core::key{}.u64(5)); }));
  CHECK(breaks([](auto& tables) { tables.put(table::log, hive::core::key{}.u64(5), "short"); }));
  CHECK(breaks([](auto& tables) { tables.put(table::log, hive::core::key{}.u64(5), std::string(9, '\0')); }));
  CHECK(breaks([](auto& tables) { tables.put(table::log_meta, "vote", "\xff"); }));
  CHECK(breaks([](auto& tables) { tables.put(table::log_meta, "snapshot", "\xff"); }));
  CHECK(breaks([](auto& tables) { tables.put(table::log_meta, "first", "1"); }));
  CHECK(breaks([](auto& tables) { tables.erase(table::log_meta, "applied"); }));
}

TEST_CASE("a storage from before replication gets the log's tables when it is opened") {
  const temporary_folder folder;
  {
    auto opened = open_store(folder.path() / "s");
    auto transaction = opened->write();
    transaction->put(table::meta, "next_task", "12345678");
    REQUIRE(transaction->commit());
  }
  MDB_env* env = nullptr;
  REQUIRE(::mdb_env_create(&env) == 0);
  REQUIRE(::mdb_env_set_maxdbs(env, 64) == 0);
  REQUIRE(::mdb_env_open(env, (folder.path() / "s").c_str(), 0, 0600) == 0);
  MDB_txn* transaction = nullptr;
  REQUIRE(::mdb_txn_begin(env, nullptr, 0, &transaction) == 0);
  for (const char* name : {"log", "log_meta"}) {
    MDB_dbi handle = 0;
    REQUIRE(::mdb_dbi_open(transaction, name, 0, &handle) == 0);
    REQUIRE(::mdb_drop(transaction, handle, 1) == 0);
  }
  REQUIRE(::mdb_txn_commit(transaction) == 0);
  ::mdb_env_close(env);

  auto opened = open_store(folder.path() / "s");
  auto writer = opened->write();
  CHECK(writer->get(table::meta, "next_task") == "12345678");
  table_log_store log{*writer};
  CHECK(found_cluster(log, members));
  CHECK(writer->commit());
}

TEST_CASE("a cluster is founded once, on an empty log") {
  memory_log_store log;
  CHECK_FALSE(found_cluster(log, {}));
  REQUIRE(found_cluster(log, members));
  CHECK(log.load().first == 3);
  CHECK(log.load().last == 2);
  CHECK(found_cluster(log, members).failure().code == hive::errc::failed_precondition);
}

namespace {

/// A driver over LMDB: the cycle of driver.hpp. The state is one row of the table meta.
struct stored_node : state_machine {
  explicit stored_node(const std::filesystem::path& folder) : store_folder(folder), opened(open_store(folder)) {}

  void apply(log_index, const log_entry& command) override {
    const auto before = transaction->get(table::meta, "state");
    transaction->put(table::meta, "state", std::string{before.value_or("")} + command.payload);
  }

  void start(const driver_options& options) {
    engine = std::make_unique<driver>(options);
    cycle([](driver& one) { REQUIRE(one.start()); });
  }

  effects cycle(const std::function<void(driver&)>& action, bool is_committed = true) {
    transaction = opened->write();
    table_log_store log{*transaction};
    engine->begin_cycle(now, log, *this);
    action(*engine);
    effects out = engine->end_cycle();
    REQUIRE_FALSE(engine->failure());
    if (is_committed && engine->has_changes()) REQUIRE(transaction->commit());
    transaction.reset();
    return out;
  }

  std::string state() { return std::string{opened->read()->get(table::meta, "state").value_or("")}; }

  std::filesystem::path store_folder;
  std::unique_ptr<store> opened;
  std::unique_ptr<hive::persistence::write_transaction> transaction;
  std::unique_ptr<driver> engine;
  time_ms now = 1000;
};

driver_options options_of(std::uint64_t self) {
  driver_options options = small_options();
  options.self = node_id{self};
  options.address = "n" + std::to_string(self);
  return options;
}

}  // namespace

TEST_CASE("over LMDB log, vote and state are one commit, and a lone voter answers after one fsync") {
  const temporary_folder folder;
  stored_node node{folder.path() / "s"};
  {
    auto transaction = node.opened->write();
    table_log_store log{*transaction};
    REQUIRE(found_cluster(log, {{{node_id{1}, "n1", member_role::voter}}}));
    REQUIRE(transaction->commit());
  }
  node.start(options_of(1));
  REQUIRE(node.engine->is_leader());
  const auto commits = node.opened->figures().commits;
  const effects out = node.cycle([](driver& one) { REQUIRE(one.submit(ticket{9}, {"a", "b", "c"})); });
  CHECK(node.opened->figures().commits == commits + 1);
  REQUIRE(out.completions.size() == 1);
  CHECK(out.completions[0].request == ticket{9});
  CHECK_FALSE(out.completions[0].failure);
  CHECK(node.state() == "abc");

  // The transaction is lost: nothing of it is there, and a new driver goes on from what is.
  node.cycle([](driver& one) { REQUIRE(one.submit(ticket{10}, {"lost"})); }, false);
  CHECK(node.state() == "abc");
  node.start(options_of(1));
  node.cycle([](driver& one) { REQUIRE(one.submit(ticket{11}, {"d"})); });
  CHECK(node.state() == "abcd");

  node.engine.reset();
  node.opened.reset();
  node.opened = open_store(node.store_folder);
  node.start(options_of(1));
  CHECK(node.state() == "abcd");  // nothing is applied twice
}

TEST_CASE("a copied storage is installed in place of an empty one, with the receiver's own vote") {
  const temporary_folder folder;
  stored_node source{folder.path() / "a"};
  const configuration founders{{{node_id{1}, "n1", member_role::voter}}};
  {
    auto transaction = source.opened->write();
    table_log_store log{*transaction};
    REQUIRE(found_cluster(log, founders));
    REQUIRE(transaction->commit());
  }
  source.start(options_of(1));
  source.cycle([](driver& one) { REQUIRE(one.submit(ticket{1}, {"x", "y"})); });
  REQUIRE(source.opened->copy_to(folder.path() / "staged"));

  stored_node target{folder.path() / "b"};
  target.start(options_of(2));
  target.cycle([](driver& one) { one.open_link(node_id{1}, 1, 1); });
  std::uint64_t sequence = 0;
  const auto hear = [&sequence](driver& one, message_body body) {
    const auto good = one.receive(node_id{1}, {1, ++sequence, std::move(body)});
    REQUIRE(good);
  };
  const state_point point{2, 1, 2, founders};
  target.cycle([&](driver& one) { hear(one, install_snapshot{3, point, snapshot_id{5}}); });
  const effects chunk = target.cycle([&](driver& one) {
    hear(one, snapshot_chunk{snapshot_id{5}, 0, "bytes", true, false});
  });
  REQUIRE(chunk.write);
  const effects staged = target.cycle([](driver& one) { one.snapshot_written(5); });
  REQUIRE(staged.swap);
  CHECK(staged.swap->term == 3);

  {
    auto copy = open_store(folder.path() / "staged");
    auto transaction = copy->write();
    table_log_store log{*transaction};
    REQUIRE(prepare_installed(log, *staged.swap));
    REQUIRE(transaction->commit());
  }
  target.opened.reset();
  std::filesystem::rename(folder.path() / "staged" / "data.mdb", folder.path() / "b" / "data.mdb");
  target.opened = open_store(target.store_folder);
  const effects done = target.cycle([](driver& one) { REQUIRE(one.snapshot_installed()); });
  CHECK(messages_of<append_result>(done).at(0).last_index == 2);
  CHECK(target.state() == "xy");
  CHECK(target.engine->status().applied == 5);  // two commands and a barrier after the founding point 2
  CHECK(target.engine->status().term == 3);
  target.start(options_of(2));
  CHECK(target.engine->status().term == 3);
}

TEST_CASE("a copy that is behind the snapshot is not installed") {
  memory_log_store copy;
  copy.save_applied({4, 1, 2, members});
  CHECK(prepare_installed(copy, {{5, 1, 2, members}, 3, node_id{}}).failure().code == hive::errc::data_loss);
}
