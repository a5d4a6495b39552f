#pragma once

#include <cstdint>

#include "core/table.hpp"

namespace hive::replication {

/// Every log has a number from where it began: made where the cluster was founded, the same in all its members, and new
/// after its members were changed by force. Logs of different lineages have nothing to do with each other, although all
/// begin at the same index and term, and their nodes may have the same names. It lies beside the log (table log_meta).

/// 0: none. The store is no member's yet, or an older version founded it.
std::uint64_t lineage_of(const core::table_reader& tables);
/// For a new one: random, and not 0.
void put_lineage(core::table_transaction& tables, std::uint64_t lineage);

}  // namespace hive::replication
