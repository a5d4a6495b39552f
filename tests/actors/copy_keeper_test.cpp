// Copies of the state: who shares one, how they are read, when they go.
#include <set>

#include "actors/copy_keeper.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive {
namespace {

using namespace std::chrono_literals;

struct copy_fixture : test::system_fixture {
  using answer = std::shared_ptr<result<copy_info>>;

  copy_fixture() {
    context->store = &store;
    context->config.node.data_dir = folder.path().string();
    std::filesystem::create_directories(copies() / "7");
    std::ofstream(copies() / "7" / "data.mdb") << "left by an earlier start";
    keeper = spawn_copy_keeper(system, context, false);
    asker = system.spawn(test::recording_session, std::make_shared<test::session_inbox>());
    settle();
  }
  ~copy_fixture() {
    caf::anon_send_exit(asker, caf::exit_reason::kill);
    stop();
  }
  void stop() {
    caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
    settle();
  }

  /// Sends the request and does not wait.
  answer begin_open() {
    auto into = std::make_shared<result<copy_info>>(error{errc::internal, "no answer", {}});
    caf::anon_send(asker, test::actor_task([this, into](caf::event_based_actor* self) {
                     self->request(keeper, caf::infinite, open_copy{})
                         .then([into](const copy_info& made) { *into = made; },
                               [into](const caf::error& failure) { *into = to_error(failure); });
                   }));
    return into;
  }
  copy_info open() {
    const auto made = ask<copy_info>(keeper, open_copy{});
    REQUIRE(made);
    return *made;
  }
  result<copy_bytes> read(std::uint64_t id, std::uint64_t offset = 0, std::size_t bytes_max = 0) {
    return ask<copy_bytes>(keeper, read_copy{id, offset, bytes_max});
  }
  void drop(std::uint64_t id) {
    caf::anon_send(keeper, drop_copy{id});
    settle();
  }
  void commit() { REQUIRE(store.write()->commit()); }

  [[nodiscard]] std::filesystem::path copies() const { return folder.path() / "copies"; }
  [[nodiscard]] std::size_t folders() const {
    if (!std::filesystem::exists(copies())) return 0;
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(copies()), {}));
  }

  test::temporary_folder folder;
  test::memory_store store;
  service_context_ptr context = std::make_shared<service_context>();
  copy_keeper_actor keeper;
  caf::actor asker;
};

}  // namespace

TEST_CASE_METHOD(copy_fixture, "a copy is read in pieces until its end, and drop_copy removes it") {
  CHECK(folders() == 0);  // what an earlier start left is gone
  commit();
  const auto made = open();
  const std::string whole = "state of 1 commits";
  CHECK(made.bytes == whole.size());
  CHECK(folders() == 1);
  const auto begin = read(made.id, 0, 5);
  REQUIRE(begin);
  CHECK(begin->data == "state");
  CHECK_FALSE(begin->is_last);
  const auto rest = read(made.id, 5);
  REQUIRE(rest);
  CHECK(rest->data == whole.substr(5));
  CHECK(rest->is_last);
  const auto end = read(made.id, whole.size());
  REQUIRE(end);
  CHECK(end->data.empty());
  CHECK(end->is_last);
  CHECK(read(made.id, whole.size() + 1).failure().code == errc::invalid_argument);

  drop(made.id);
  CHECK(read(made.id).failure().code == errc::not_found);
  CHECK(folders() == 0);
}

TEST_CASE_METHOD(copy_fixture, "those who ask while a copy is made share the next one, which has what they saw") {
  const auto first = begin_open();  // ordered, but not made before the others ask
  const auto second = begin_open();
  const auto third = begin_open();
  settle();
  REQUIRE(*first);
  REQUIRE(*second);
  REQUIRE(*third);
  CHECK(store.copies() == 2);
  CHECK(std::set{(*first)->id, (*second)->id, (*third)->id}.size() == 3);
  CHECK(folders() == 2);

  // The shared one goes with its last holder.
  drop((*second)->id);
  CHECK(folders() == 2);
  CHECK(read((*third)->id));
  drop((*third)->id);
  CHECK(folders() == 1);
  drop((*first)->id);
  CHECK(folders() == 0);
}

TEST_CASE_METHOD(copy_fixture, "an answered open_copy holds every commit that came before it") {
  for (int commits = 0; commits < 3; ++commits) {
    const auto made = open();
    const auto text = read(made.id);
    REQUIRE(text);
    CHECK(text->data == "state of " + std::to_string(commits) + " commits");
    commit();
  }
}

TEST_CASE_METHOD(copy_fixture, "a copy that nobody reads for five minutes is dropped, one that is read stays") {
  const auto idle = open();
  const auto active = open();
  for (int minute = 0; minute < 6; ++minute) {
    advance(1min);
    CHECK(read(active.id));
  }
  CHECK(read(idle.id).failure().code == errc::not_found);
  CHECK(folders() == 1);
  advance(6min);
  CHECK(read(active.id).failure().code == errc::not_found);
  CHECK(folders() == 0);
}

TEST_CASE_METHOD(copy_fixture, "more copies than the limit are refused until one is dropped") {
  std::vector<copy_info> made;
  for (std::size_t i = 0; i < copies_max; ++i) made.push_back(open());
  CHECK(ask<copy_info>(keeper, open_copy{}).failure().code == errc::resource_exhausted);
  drop(made.front().id);
  CHECK(ask<copy_info>(keeper, open_copy{}));
}

TEST_CASE_METHOD(copy_fixture, "holders of shared copies have a limit, too") {
  std::vector<answer> answers;
  for (std::size_t i = 0; i < copy_holders_max + 3; ++i) answers.push_back(begin_open());
  settle();
  std::size_t refused = 0;
  for (const auto& one : answers) {
    if (*one) continue;
    CHECK(one->failure().code == errc::resource_exhausted);
    ++refused;
  }
  CHECK(refused == 3);
}

TEST_CASE_METHOD(copy_fixture, "a copy that fails is answered with the reason, and the next one works") {
  store.fail_copies(error{errc::resource_exhausted, "no space", {}});
  const auto failed = ask<copy_info>(keeper, open_copy{});
  CHECK(failed.failure().code == errc::resource_exhausted);
  CHECK(folders() == 0);
  store.fail_copies({});
  CHECK(ask<copy_info>(keeper, open_copy{}));
}

TEST_CASE_METHOD(copy_fixture, "the keeper ends with the node: who waits is told, and the files go") {
  open();
  store.on_copy([this] { caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown); });
  const auto made = begin_open();
  const auto waiting = begin_open();
  settle();
  CHECK(made->failure().code == errc::unavailable);
  CHECK(waiting->failure().code == errc::unavailable);
  CHECK(folders() == 0);
}

TEST_CASE_METHOD(copy_fixture, "a copy of a real store opens and holds its rows") {
  const auto source = persistence::store::open(persistence::testing::options_for(folder.path() / "source"));
  REQUIRE(source);
  auto change = (*source)->write();
  change->put(core::table::task_spec, "k", std::string(3 << 20, 'v'));
  REQUIRE(change->commit());
  context->store = source->get();
  const auto made = open();
  CHECK(made.bytes > (3U << 20));
  std::string bytes;
  for (bool is_last = false; !is_last;) {
    const auto piece = read(made.id, bytes.size());
    REQUIRE(piece);
    CHECK(piece->data.size() <= copy_bytes_max);
    bytes += piece->data;
    is_last = piece->is_last;
  }
  REQUIRE(bytes.size() == made.bytes);
  const auto target = folder.path() / "target";
  std::filesystem::create_directories(target);
  std::ofstream(target / "data.mdb", std::ios::binary) << bytes;
  const auto opened = persistence::store::open(persistence::testing::options_for(target));
  REQUIRE(opened);
  CHECK((*opened)->read()->get(core::table::task_spec, "k") == std::string(3 << 20, 'v'));
  stop();
}

}  // namespace hive
