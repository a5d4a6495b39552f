#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "core/counter_table.hpp"
#include "core/table.hpp"
#include "hive/v1/command.pb.h"

namespace hive::core {

constexpr std::size_t task_state_count = 10;

/// True if a worker may take tasks of this signature: it has the type (or takes any), all capabilities
/// and all selected labels. The order of the worker's lists does not matter.
bool fits(const v1::Signature& signature, const v1::WorkerSpec& worker);

/// The interned signatures: what a task asks of a worker, as a small number. Ids are dense from 1 and
/// are never given back.
class signature_table {
 public:
  struct entry {
    v1::Signature record;
    counter_table::cell* ready = nullptr;  // "r" | signature u32: its rows in table::ready
    /// "t" | state | type, by TaskState; shared by the signatures of one type.
    std::array<counter_table::cell*, task_state_count> by_state{};
  };

  /// The bytes that decide: specs with equal ones share a signature.
  static std::string canonical(const v1::TaskSpec& spec);

  [[nodiscard]] std::optional<std::uint32_t> find(const std::string& canonical) const;
  /// Finds it, or adds it and writes its row. The caller has checked limits.signatures_max against size().
  std::uint32_t intern(const v1::TaskSpec& spec, counter_table& counters, table_transaction& tables, bool& is_new);
  /// table_error data_loss for an id that was never handed out.
  [[nodiscard]] const entry& at(std::uint32_t id) const;
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }

  void clear();
  /// After the counters were loaded.
  void load(const table_reader& tables, counter_table& counters);

 private:
  std::uint32_t add(v1::Signature record, std::string canonical, counter_table& counters);

  std::deque<entry> entries_;  // by id - 1
  std::map<std::string, std::uint32_t> ids_;
};

}  // namespace hive::core
