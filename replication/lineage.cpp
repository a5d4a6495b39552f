#include "replication/lineage.hpp"

#include <string_view>

#include "core/keys.hpp"

namespace hive::replication {
namespace {

constexpr std::string_view lineage_row = "lineage";

}  // namespace

std::uint64_t lineage_of(const core::table_reader& tables) {
  const auto row = tables.get(core::table::log_meta, lineage_row);
  return row && row->size() == sizeof(std::uint64_t) ? core::read_u64(*row, 0) : 0;
}

void put_lineage(core::table_transaction& tables, std::uint64_t lineage) {
  tables.put(core::table::log_meta, lineage_row, core::key{}.u64(lineage).view());
}

}  // namespace hive::replication
