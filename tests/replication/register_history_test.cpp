#include "tests/replication/register_history.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "tests/replication/random_source.hpp"

using hive::replication::testing::is_linearizable;
using hive::replication::testing::random_source;
using hive::replication::testing::register_history;

namespace {

using operations = std::vector<register_history::operation>;

/// Wing and Gong (1993) with Lowe's memory (2017): tries all orders.
bool has_order(const operations& all) {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> open{{0, 0}};
  while (!open.empty()) {
    const auto [done, value] = open.back();
    open.pop_back();
    if (done == (1ULL << all.size()) - 1) return true;
    std::uint64_t first_answer = register_history::never;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((done >> i & 1U) == 0) first_answer = std::min(first_answer, all[i].answered);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((done >> i & 1U) != 0 || all[i].called > first_answer) continue;
      if (!all[i].is_write && all[i].value != value) continue;
      const std::pair<std::uint64_t, std::uint64_t> next{done | 1ULL << i, all[i].is_write ? all[i].value : value};
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return false;
}

/// A few operations that overlap at random; writes may stay without an answer.
operations random_history(random_source& random) {
  const std::size_t count = 2 + random.below(7);
  std::vector<std::uint64_t> moments(2 * count);
  for (std::size_t i = 0; i < moments.size(); ++i) moments[i] = i + 1;
  for (std::size_t i = moments.size(); i > 1; --i) std::swap(moments[i - 1], moments[random.below(i)]);
  operations all;
  std::uint64_t written = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t a = moments[2 * i];
    const std::uint64_t b = moments[2 * i + 1];
    register_history::operation one{std::min(a, b), std::max(a, b), random.one_in(2), 0};
    if (random.one_in(2)) one.answered = std::min(one.answered, one.called + 3);  // shorter ones
    one.value = one.is_write ? ++written : random.below(4);
    if (one.is_write && random.one_in(6)) one.answered = register_history::never;
    all.push_back(one);
  }
  // Answers that were moved must not fall on another moment.
  for (auto& one : all) {
    one.called *= 100;
    if (one.answered != register_history::never) one.answered = one.answered * 100 + 1 + random.below(90);
  }
  return all;
}

}  // namespace

TEST_CASE("the zones decide as the search through all orders does") {
  random_source random{42};
  std::size_t good = 0;
  std::size_t bad = 0;
  for (int i = 0; i < 50'000; ++i) {
    const operations all = random_history(random);
    const bool expected = has_order(all);
    ++(expected ? good : bad);
    if (is_linearizable(all) != expected) {
      for (const auto& one : all) {
        UNSCOPED_INFO((one.is_write ? "write " : "read ")
                      << one.value << " from " << one.called << " to " << one.answered);
      }
      FAIL("history " << i << " should be " << expected);
    }
  }
  CHECK(good > 1000);
  CHECK(bad > 1000);
}

TEST_CASE("a history with a read of an overwritten value is refused") {
  register_history history;
  history.answer(1, history.call_write(1, 10), 10);
  history.answer(1, history.call_write(1, 20), 20);
  history.answer(1, history.call_read(1), 20);
  CHECK(history.find_violation().empty());
  history.answer(1, history.call_read(1), 10);
  CHECK(history.find_violation().find("key 1") != std::string::npos);
}

TEST_CASE("two reads that see concurrent writes in turn are refused when they go back") {
  register_history history;
  const auto first = history.call_write(1, 10);
  const auto second = history.call_write(1, 20);
  history.answer(1, history.call_read(1), 10);
  history.answer(1, history.call_read(1), 20);
  CHECK(history.find_violation().empty());
  history.answer(1, history.call_read(1), 10);
  history.answer(1, first, 10);
  history.answer(1, second, 20);
  CHECK_FALSE(history.find_violation().empty());
}

TEST_CASE("a write without an answer may take effect late, once, or never") {
  register_history history;
  static_cast<void>(history.call_write(1, 10));
  history.answer(1, history.call_read(1), 0);
  CHECK(history.find_violation().empty());
  history.answer(1, history.call_read(1), 10);
  CHECK(history.find_violation().empty());
  history.answer(1, history.call_write(1, 20), 20);
  history.answer(1, history.call_read(1), 20);
  CHECK(history.find_violation().empty());
  history.answer(1, history.call_read(1), 10);
  CHECK_FALSE(history.find_violation().empty());
}

TEST_CASE("a lost acknowledged write is found, and a refused one is not expected") {
  register_history history;
  history.forget(7, history.call_write(7, 5));
  history.answer(7, history.call_read(7), 0);
  CHECK(history.find_violation().empty());
  history.answer(7, history.call_write(7, 6), 6);
  history.answer(7, history.call_read(7), 0);
  CHECK_FALSE(history.find_violation().empty());
}
