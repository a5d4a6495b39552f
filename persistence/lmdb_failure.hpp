#pragma once

#include <lmdb++.h>

#include <filesystem>
#include <string>

#include "base/errc.hpp"
#include "core/table.hpp"

namespace hive::persistence {

/// What an LMDB or system error code means to callers: full map, full disk, too many readers:
/// resource_exhausted; damaged: data_loss; else internal. `file` is where a full disk is looked for: LMDB
/// turns a short write into EIO, so EIO on a disk without room is a full disk.
error to_failure(int code, const std::string& doing, const std::filesystem::path& file);

/// As to_failure, as the exception that core passes through.
[[noreturn]] void raise(int code, const std::string& doing, const std::filesystem::path& file);

/// True if the file cannot grow: its file system has less than 64 KiB left, or RLIMIT_FSIZE is reached.
bool is_out_of_room(const std::filesystem::path& file);

/// Bytes that the file system of `file` still gives to this process; the largest number if unknown.
std::uint64_t disk_bytes_available(const std::filesystem::path& file);

}  // namespace hive::persistence
