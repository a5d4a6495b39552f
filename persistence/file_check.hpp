#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.hpp"

namespace hive::persistence {

/// Looks at an LMDB data file with bounded reads, before LMDB maps it: LMDB trusts its file, and what is
/// damaged or cut off would end the process (SIGBUS, SIGSEGV or its own assertion).
///
/// Always checked: both meta pages, the page size, that every page that is in use lies within the file, all
/// branch pages, and all pages of the list of tables. The leaf and overflow pages too, if there are at most
/// `leaf_pages_max`; in a larger file a damaged leaf is found only when it is read. LMDB has no checksums: bytes that
/// change inside a value are not found here at all. Nobody may write meanwhile.
/// data_loss names the page; failed_precondition: not an LMDB file of a kind that this program reads.
result<void> check_file(const std::filesystem::path& file, std::uint64_t leaf_pages_max);

}  // namespace hive::persistence
