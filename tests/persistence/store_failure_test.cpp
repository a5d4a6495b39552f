#include <lmdb++.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
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

/// Runs `body` in a child process; 0 if it returned true.
int status_of_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool good = false;
    try {
      good = body();
    } catch (...) {
      ::_exit(9);
    }
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

/// Puts entries of 4 KiB under numbers from `first` until the store refuses; how many transactions of 8 went in.
std::pair<std::uint64_t, error> fill(store& target, std::uint64_t first, std::uint64_t transactions_max = 100'000) {
  for (std::uint64_t round = 0; round < transactions_max; ++round) {
    const auto writer = target.write();
    try {
      for (std::uint64_t i = 0; i < 8; ++i) {
        writer->append(table::event, key{}.u64(first + round * 8 + i), std::string(4000, 'f'));
      }
    } catch (const core::table_error& failure) {
      const auto outcome = writer->commit();  // must not commit the half
      if (outcome) return {round, error{errc::internal, "a failed transaction was committed", {}}};
      return {round, error{failure.code(), failure.what(), {}}};
    }
    if (const auto outcome = writer->commit(); !outcome) return {round, outcome.failure()};
  }
  return {transactions_max, error{errc::none, {}, {}}};
}

void erase_all(store& target, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t step = 16;
  for (std::uint64_t i = 0; i < count; i += step) {
    const auto writer = target.write();
    for (std::uint64_t k = i; k < std::min(count, i + step); ++k) writer->erase(table::event, key{}.u64(first + k));
    const auto outcome = writer->commit();
    INFO((outcome ? "" : to_string(outcome.failure())));
    REQUIRE(outcome);
  }
}

std::filesystem::path make_store(const std::filesystem::path& folder, std::uint64_t entries) {
  auto opened = store::open(options_for(folder));
  REQUIRE(opened);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const auto writer = (*opened)->write();
    writer->append(table::event, key{}.u64(i), std::string(i % 7 == 0 ? 9000 : 300, 'd'));
    writer->put(table::task_status, key{}.u64(i * 7919 % 1000), "status");
    REQUIRE(writer->commit());
  }
  return folder / "data.mdb";
}

/// Reads every value of the two tables that make_store fills.
std::uint64_t all_bytes(store& target) {
  std::uint64_t count = 0;
  const auto reader = target.read();
  for (const table where : {table::event, table::task_status}) {
    reader->scan(where, "", [&](std::string_view name, std::string_view value) {
      count += name.size() + static_cast<std::uint64_t>(std::count(value.begin(), value.end(), 'd'));
      return true;
    });
  }
  return count;
}

void overwrite(const std::filesystem::path& file, std::uint64_t offset, const std::string& bytes) {
  std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(stream.good());
}

std::string random_bytes(std::mt19937& random, std::size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

error failure_of_open(const std::filesystem::path& folder) {
  const auto opened = store::open(options_for(folder));
  return opened ? error{errc::none, "", {}} : opened.failure();
}

}  // namespace

TEST_CASE("a full map refuses the transaction, loses nothing and works again after a purge") {
  const temporary_folder folder;
  auto opened = store::open(options_for(folder.path(), 16ULL << 20));
  REQUIRE(opened);
  store& target = **opened;
  REQUIRE_FALSE(target.is_nearly_full());
  std::uint64_t before_full = 0;
  while (!target.is_nearly_full()) {
    REQUIRE(fill(target, before_full * 8, 1).first == 1);
    ++before_full;
  }
  // The reserve, 4 MiB here, is still there for completions.
  CHECK(target.figures().used_bytes <= (12ULL << 20) + 100'000);
  const auto [more, failure] = fill(target, before_full * 8);
  CHECK(more * 8 * 4096 > (3ULL << 20));
  CHECK(failure.code == errc::resource_exhausted);
  CHECK(failure.message.find("map_bytes_max") != std::string::npos);
  const auto stored = (before_full + more) * 8;
  CHECK(target.read()->size(table::event) == stored);
  erase_all(target, 0, stored);
  CHECK_FALSE(target.is_nearly_full());
  // The file is as long as before: what is free now is counted from the free list.
  CHECK(fill(target, stored, before_full).second.code == errc::none);
  CHECK(target.read()->size(table::event) == before_full * 8);
}

TEST_CASE("a full disk refuses the commit, reads go on, and commits work again when there is room") {
  const temporary_folder folder;
  // A file-size limit in a child process: the kernel answers it with a short write and EFBIG.
  const int status = status_of_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    auto opened = store::open(options_for(folder.path()));
    if (!opened) return false;
    store& target = **opened;
    if (fill(target, 0, 10).first != 10) return false;
    const struct rlimit tight { 2U << 20, RLIM_INFINITY };
    if (::setrlimit(RLIMIT_FSIZE, &tight) != 0) return false;
    const auto [more, failure] = fill(target, 80);
    if (failure.code != errc::resource_exhausted || failure.message.find("disk") == std::string::npos) return false;
    if (target.read()->size(table::event) != 80 + more * 8) return false;
    const struct rlimit wide { RLIM_INFINITY, RLIM_INFINITY };
    if (::setrlimit(RLIMIT_FSIZE, &wide) != 0) return false;
    return fill(target, 100'000, 100).first == 100;
  });
  CHECK(status == 0);
  CHECK(failure_of_open(folder.path()).code == errc::none);
}

TEST_CASE("a full file system refuses the commit, reads go on, and commits work again when there is room") {
  const temporary_folder folder;
  const auto disk = folder.path() / "disk";
  std::filesystem::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m,mode=0700") != 0) {
    WARN("skipped: this user may not mount a small file system");
    return;
  }
  {
    std::ofstream ballast{disk / "ballast"};
    ballast << std::string(2 << 20, 'b');
  }
  {
    auto opened = store::open(options_for(disk / "store", 256ULL << 20));
    REQUIRE(opened);
    store& target = **opened;
    const auto [stored, failure] = fill(target, 0);
    INFO(failure.message);
    CHECK(failure.code == errc::resource_exhausted);
    CHECK(failure.message.find("the disk is full") != std::string::npos);
    CHECK(stored > 50);
    CHECK(target.is_nearly_full());
    CHECK(target.read()->size(table::event) == stored * 8);
    CHECK(target.read()->get(table::event, key{}.u64(0)) == std::string(4000, 'f'));
    std::filesystem::remove(disk / "ballast");
    CHECK(fill(target, stored * 8, 20).first == 20);
    opened.value().reset();
    auto again = store::open(options_for(disk / "store", 256ULL << 20));
    REQUIRE(again);
    CHECK((*again)->read()->size(table::event) == (stored + 20) * 8);
  }
  CHECK(::umount(disk.c_str()) == 0);
}

TEST_CASE("options outside their range are refused with their name") {
  const temporary_folder folder;
  CHECK(store::open(options_for(folder.path(), 1 << 20)).failure().field == "storage.map_bytes_max");
  CHECK(store::open(options_for(folder.path(), 1ULL << 60)).failure().field == "storage.map_bytes_max");
  auto options = options_for(folder.path());
  options.readers_max = 0;
  CHECK(store::open(options).failure().field == "storage.readers_max");
  CHECK(failure_of_open("").code == errc::invalid_argument);
  std::ofstream{folder.path() / "file"} << "x";
  CHECK(failure_of_open(folder.path() / "file").code == errc::invalid_argument);
  CHECK(failure_of_open(folder.path() / "file" / "deeper").code == errc::invalid_argument);
}

TEST_CASE("a second process is refused with the pid of the first, and let in after it") {
  const temporary_folder folder;
  auto opened = store::open(options_for(folder.path()));
  REQUIRE(opened);
  const std::string holder = "process " + std::to_string(::getpid());
  CHECK(status_of_child([&] {
          const auto failure = failure_of_open(folder.path());
          return failure.code == errc::unavailable && failure.message.find(holder) != std::string::npos;
        }) == 0);
  CHECK(failure_of_open(folder.path()).code == errc::unavailable);  // nor twice in one process
  opened.value().reset();
  CHECK(status_of_child([&] { return failure_of_open(folder.path()).code == errc::none; }) == 0);
}

TEST_CASE("a creation that was cut off is started anew") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder.path() / "creating");
  std::ofstream{folder.path() / "creating" / "data.mdb"} << "half";
  CHECK(failure_of_open(folder.path()).code == errc::none);
  CHECK_FALSE(std::filesystem::exists(folder.path() / "creating"));
}

TEST_CASE("another format version is refused with both versions") {
  const auto version = GENERATE(0U, 2U, 77U);
  const temporary_folder folder;
  make_store(folder.path(), 1);
  {
    auto env = lmdb::env::create();
    env.set_max_dbs(64);
    env.open(folder.path().c_str(), 0, 0600);
    auto transaction = lmdb::txn::begin(env);
    auto versions = lmdb::dbi::open(transaction, "hive");
    const key bytes = key{}.u32(version);
    const lmdb::val row{"format_version"};
    lmdb::val value{bytes.view().data(), 4};
    versions.put(transaction, row, value);
    transaction.commit();
  }
  const auto failure = failure_of_open(folder.path());
  CHECK(failure.code == errc::failed_precondition);
  CHECK(failure.message.find("format " + std::to_string(version) + " ") != std::string::npos);
  CHECK(failure.message.find("reads format 1") != std::string::npos);
}

TEST_CASE("an LMDB file of another program is refused and left alone") {
  const temporary_folder folder;
  {
    auto env = lmdb::env::create();
    env.open(folder.path().c_str(), 0, 0600);
    auto transaction = lmdb::txn::begin(env);
    auto entries = lmdb::dbi::open(transaction, nullptr);
    entries.put(transaction, "some", "thing");
    transaction.commit();
  }
  const auto size = std::filesystem::file_size(folder.path() / "data.mdb");
  const auto failure = failure_of_open(folder.path());
  CHECK(failure.code != errc::none);
  CHECK(std::filesystem::file_size(folder.path() / "data.mdb") == size);
}

TEST_CASE("a file that was cut off anywhere is refused as damaged") {
  const temporary_folder folder;
  const auto file = make_store(folder.path(), 300);
  const auto size = std::filesystem::file_size(file);
  std::filesystem::copy_file(file, folder.path() / "whole");
  const auto whole_bytes = all_bytes(*store::open(options_for(folder.path())).value());
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{100}, std::uint64_t{4096},
                                    std::uint64_t{8192}, size / 3, size / 2, size - 4096}) {
    std::filesystem::copy_file(folder.path() / "whole", file, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(file, bytes);
    INFO(bytes << " of " << size << " bytes");
    const auto opened = store::open(options_for(folder.path()));
    if (opened) {
      // Only free pages were cut off: then nothing is lost.
      CHECK(bytes >= size / 2);
      CHECK((*opened)->read()->size(table::event) == 300);
      CHECK(all_bytes(**opened) == whole_bytes);
    } else {
      CHECK(opened.failure().code == errc::data_loss);
    }
  }
}

TEST_CASE("a file that ends before pages that were freed unwritten is whole") {
  const temporary_folder folder;
  {
    auto opened = store::open(options_for(folder.path()));
    REQUIRE(opened);
    for (std::uint64_t i = 0; i < 20; ++i) {
      const auto writer = (*opened)->write();
      writer->put(table::event, key{}.u64(i), std::string(300, 'x'));
      REQUIRE(writer->commit());
    }
    // With a free list at hand, LMDB gives the pages of a large value back without writing them.
    const auto writer = (*opened)->write();
    writer->put(table::event, key{}.u64(0), "y");
    writer->put(table::task_result, "z", std::string(900'000, 'x'));
    writer->erase(table::task_result, "z");
    REQUIRE(writer->commit());
    const auto figures = (*opened)->figures();
    const auto allocated = figures.used_bytes + figures.free_pages * figures.page_bytes;
    REQUIRE(std::filesystem::file_size(folder.path() / "data.mdb") < allocated);  // else this shows nothing
  }
  CHECK(failure_of_open(folder.path()).code == errc::none);
}

TEST_CASE("random bytes in a meta page are refused as damage") {
  const temporary_folder folder;
  const auto file = make_store(folder.path(), 50);
  std::filesystem::copy_file(file, folder.path() / "whole");
  std::mt19937 random{11};
  for (int round = 0; round < 200; ++round) {
    std::filesystem::copy_file(folder.path() / "whole", file, std::filesystem::copy_options::overwrite_existing);
    overwrite(file, random() % 2 * 4096, random_bytes(random, 160));
    const auto failure = failure_of_open(folder.path());
    INFO(round << ": " << failure.message);
    CHECK(failure.code == errc::data_loss);
  }
}

TEST_CASE("random bytes in the middle of the file give an error, or values, but never end the process") {
  const temporary_folder folder;
  const auto file = make_store(folder.path(), 300);
  const auto size = std::filesystem::file_size(file);
  std::filesystem::copy_file(file, folder.path() / "whole");
  std::mt19937 random{13};
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::filesystem::copy_file(folder.path() / "whole", file, std::filesystem::copy_options::overwrite_existing);
    const bool is_whole_page = round % 2 == 0;
    const std::uint64_t offset = 8192 + random() % (size - 8192 - 4096);
    overwrite(file, is_whole_page ? offset / 4096 * 4096 : offset, random_bytes(random, is_whole_page ? 4096 : 64));
    const int status = status_of_child([&] {
      auto opened = store::open(options_for(folder.path()));
      if (!opened) return opened.failure().code != errc::data_loss;  // 1: refused as it should be
      const auto reader = (*opened)->read();
      for (std::size_t i = 0; i < core::table_count; ++i) {
        reader->scan(static_cast<table>(i), "", [](std::string_view name, std::string_view value) {
          return name.size() + value.size() < (1U << 30);
        });
      }
      return true;
    });
    INFO("round " << round << " at " << offset);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) <= 1);
    refused += WEXITSTATUS(status);
  }
  CHECK(refused > 30);
}

}  // namespace hive::persistence
