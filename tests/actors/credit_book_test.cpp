#include "actors/credit_book.hpp"

#include <random>

#include <catch2/catch.hpp>

namespace hive {
namespace {

constexpr auto everybody = [](worker_id) { return true; };

std::map<std::uint64_t, std::uint32_t> granted(const std::vector<credit_book::offer>& offers) {
  std::map<std::uint64_t, std::uint32_t> slots;
  for (const auto& value : offers) slots[value.worker.value] += value.slots;
  return slots;
}

}  // namespace

TEST_CASE("tasks are spread over workers instead of filling the first") {
  credit_book book;
  for (std::uint64_t worker = 1; worker <= 3; ++worker) book.open({worker}, {1}, 8, 0, true);
  CHECK(granted(book.plan(6, 32, everybody)) == std::map<std::uint64_t, std::uint32_t>{{1, 2}, {2, 2}, {3, 2}});
}

TEST_CASE("the least loaded worker is served first") {
  credit_book book;
  book.open({1}, {1}, 4, 3, true);
  book.open({2}, {1}, 4, 0, true);
  CHECK(granted(book.plan(3, 32, everybody)) == std::map<std::uint64_t, std::uint32_t>{{2, 3}});
}

TEST_CASE("among equals the one that was served longest ago comes first") {
  credit_book book;
  book.open({1}, {1}, 1, 0, true);
  book.open({2}, {1}, 1, 0, true);
  CHECK(granted(book.plan(1, 32, everybody)).contains(1));
  book.take({1}, 1);
  book.release({1});
  CHECK(granted(book.plan(1, 32, everybody)).contains(2));
}

TEST_CASE("no worker gets more than its credit or than the cap of one offer") {
  credit_book book;
  book.open({1}, {1}, 10, 7, true);
  book.open({2}, {1}, 100, 0, true);
  const auto slots = granted(book.plan(1000, 20, everybody));
  CHECK(slots.at(1) == 3);
  CHECK(slots.at(2) == 20);
}

TEST_CASE("a worker holds tasks beyond its slots only as far as it asked, and after those with a free slot") {
  credit_book book;
  book.open({1}, {1}, 2, 2, true);
  book.open({2}, {1}, 2, 0, true);
  book.set_prefetch({1}, {1}, 3);
  CHECK(granted(book.plan(2, 32, everybody)) == std::map<std::uint64_t, std::uint32_t>{{2, 2}});
  CHECK(granted(book.plan(10, 32, everybody)) == std::map<std::uint64_t, std::uint32_t>{{1, 3}, {2, 2}});
  book.set_prefetch({1}, {9}, 30);  // of another session: nothing happens
  CHECK(granted(book.plan(10, 32, everybody)).at(1) == 3);
  book.set_prefetch({1}, {1}, 0);
  CHECK_FALSE(granted(book.plan(10, 32, everybody)).contains(1));
  book.set_prefetch({1}, {1}, 5);
  book.open({1}, {2}, 2, 0, true);  // a new session asks anew
  CHECK(granted(book.plan(10, 32, everybody)).at(1) == 2);
}

TEST_CASE("what a worker asks for beyond its slots is undone with a failed batch") {
  credit_book book;
  book.open({1}, {1}, 1, 1, true);
  book.begin();
  book.set_prefetch({1}, {1}, 4);
  book.rollback();
  CHECK(book.plan(1, 32, everybody).empty());
}

TEST_CASE("draining, disconnected, unwanted and closed workers get nothing") {
  credit_book book;
  for (std::uint64_t worker = 1; worker <= 5; ++worker) book.open({worker}, {7}, 1, 0, true);
  book.set_accepting({1}, false);
  book.suspend({2}, {7});
  book.close({3});
  book.suspend({5}, {6});  // an older session: nothing happens
  const auto slots = granted(book.plan(10, 32, [](worker_id worker) { return worker.value != 4; }));
  CHECK(slots == std::map<std::uint64_t, std::uint32_t>{{5, 1}});
}

TEST_CASE("a failed batch leaves no trace in the book") {
  credit_book book;
  book.open({1}, {1}, 4, 1, true);
  book.begin();
  book.take({1}, 3);
  book.open({2}, {1}, 4, 0, true);
  CHECK(book.touched() == std::vector<worker_id>{{1}, {2}});
  book.rollback();
  CHECK(book.find({1})->used == 1);
  CHECK_FALSE(book.find({2}));
  CHECK(granted(book.plan(10, 32, everybody)) == std::map<std::uint64_t, std::uint32_t>{{1, 3}});
}

TEST_CASE("whatever happens, used slots never exceed the credit") {
  std::mt19937 random(7);
  credit_book book;
  std::map<std::uint64_t, std::uint32_t> slots;
  for (std::uint64_t worker = 1; worker <= 8; ++worker) {
    slots[worker] = static_cast<std::uint32_t>(worker % 4 * 3);
    book.open({worker}, {1}, slots[worker], 0, true);
  }
  for (int round = 0; round < 5000; ++round) {
    for (const auto& value : book.plan(random() % 5, 3, [&](worker_id) { return random() % 3 != 0; })) {
      book.take(value.worker, value.slots);
    }
    book.release({random() % 8 + 1});
    for (const auto& [worker, total] : slots) REQUIRE(book.find({worker})->used <= total);
  }
}

}  // namespace hive
