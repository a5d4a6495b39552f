// LMDB as the writer uses it: a batch of rows and one durable commit, on the temporary folder (TMPDIR).
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "core/keys.hpp"
#include "persistence/store.hpp"

namespace hive::persistence {
namespace {

class temporary_store {
 public:
  temporary_store() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hive-micro-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    folder_ = pattern;
    auto opened = store::open({.folder = folder_ / "data", .map_bytes_max = 4ULL << 30});
    if (!opened) throw std::runtime_error(to_string(opened.failure()));
    store_ = std::move(*opened);
  }
  ~temporary_store() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  temporary_store(const temporary_store&) = delete;
  temporary_store& operator=(const temporary_store&) = delete;
  store* operator->() { return store_.get(); }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<store> store_;
};

void commit(write_transaction& transaction) {
  if (const auto done = transaction.commit(); !done) throw std::runtime_error(to_string(done.failure()));
}

// Rows of 150 bytes with growing keys.
void lmdb_append_and_commit(benchmark::State& state) {
  temporary_store on;
  const std::string row(150, 'x');
  std::uint64_t next = 1;
  for ([[maybe_unused]] auto _ : state) {
    const auto transaction = on->write();
    for (std::int64_t i = 0; i < state.range(0); ++i)
      transaction->append(core::table::task_spec, core::key{}.u64(next++), row);
    commit(*transaction);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(lmdb_append_and_commit)->Arg(1)->Arg(100)->Arg(1'000)->Iterations(200)->UseRealTime();

// Rows rewritten all over a table of 100,000: what a change of status does.
void lmdb_put_and_commit(benchmark::State& state) {
  constexpr std::uint64_t rows = 100'000;
  temporary_store on;
  const std::string row(60, 'x');
  {
    const auto transaction = on->write();
    for (std::uint64_t i = 0; i < rows; ++i) transaction->append(core::table::task_status, core::key{}.u64(i), row);
    commit(*transaction);
  }
  std::uint64_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto transaction = on->write();
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      next = (next + 61'803) % rows;  // visits all rows in a scattered order
      transaction->put(core::table::task_status, core::key{}.u64(next), row);
    }
    commit(*transaction);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(lmdb_put_and_commit)->Arg(100)->Arg(1'000)->Iterations(200)->UseRealTime();

void lmdb_get(benchmark::State& state) {
  constexpr std::uint64_t rows = 100'000;
  temporary_store on;
  {
    const auto transaction = on->write();
    for (std::uint64_t i = 0; i < rows; ++i)
      transaction->append(core::table::task_status, core::key{}.u64(i), std::string(60, 'x'));
    commit(*transaction);
  }
  const auto snapshot = on->read();
  std::uint64_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    next = (next + 61'803) % rows;
    benchmark::DoNotOptimize(snapshot->get(core::table::task_status, core::key{}.u64(next)));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(lmdb_get);

}  // namespace
}  // namespace hive::persistence
