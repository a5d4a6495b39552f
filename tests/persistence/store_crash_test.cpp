#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <random>

#include "core/keys.hpp"
#include "persistence/store.hpp"
#include "tests/persistence/small_store.hpp"
#include "tests/temporary_folder.hpp"

namespace hive::persistence {

using core::key;
using core::table;
using test::temporary_folder;
using testing::options_for;

namespace {

/// In the child: commits one counter after the other and writes each to the pipe once it is durable.
[[noreturn]] void commit_for_ever(const std::filesystem::path& folder, int pipe) {
  auto opened = store::open(options_for(folder));
  if (!opened) ::_exit(2);
  std::uint64_t number = (*opened)->read()->size(table::event);
  for (;;) {
    ++number;
    const auto writer = (*opened)->write();
    writer->append(table::event, key{}.u64(number), std::string(number % 9000, 'e'));
    writer->put(table::meta, "last", key{}.u64(number));
    if (number > 50) writer->erase(table::task_spec, key{}.u64(number - 50));
    writer->put(table::task_spec, key{}.u64(number), "spec");
    if (!writer->commit()) ::_exit(3);
    if (::write(pipe, &number, sizeof(number)) != sizeof(number)) ::_exit(4);
  }
}

/// Reads acknowledged numbers until `count` came or, after the child's death, the pipe is empty.
std::uint64_t read_acknowledged(int pipe, std::uint64_t count, std::uint64_t last) {
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    struct pollfd waiting {
      pipe, POLLIN, 0
    };
    if (::poll(&waiting, 1, 20'000) <= 0) break;
    if (::read(pipe, &number, sizeof(number)) != sizeof(number)) break;
    last = number;
  }
  return last;
}

}  // namespace

TEST_CASE("kill -9 in the middle of commits loses nothing that was acknowledged") {
  const temporary_folder folder;
  std::mt19937 random{7};
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 12; ++round) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(pipe[0]);
      commit_for_ever(folder.path(), pipe[1]);
    }
    ::close(pipe[1]);
    const auto before = acknowledged;
    acknowledged = read_acknowledged(pipe[0], 5 + random() % 120, acknowledged);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    acknowledged = read_acknowledged(pipe[0], ~0ULL, acknowledged);
    ::close(pipe[0]);
    REQUIRE(acknowledged > before);

    auto opened = store::open(options_for(folder.path()));
    REQUIRE(opened);
    const auto reader = (*opened)->read();
    const auto last = core::read_u64(reader->get(table::meta, "last").value_or(""), 0);
    // The commit in flight may be there or not, but wholly.
    CHECK(last >= acknowledged);
    CHECK(last <= acknowledged + 1);
    CHECK(reader->size(table::event) == last);
    CHECK(reader->size(table::task_spec) == std::min<std::uint64_t>(last, 50));
    std::uint64_t next = 1;
    reader->scan(table::event, "", [&](std::string_view name, std::string_view value) {
      if (core::read_u64(name, 0) != next || value.size() != next % 9000) return false;
      ++next;
      return true;
    });
    CHECK(next == last + 1);
    acknowledged = last;
  }
}

}  // namespace hive::persistence
