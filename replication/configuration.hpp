#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "replication/types.hpp"

namespace hive::replication {

constexpr std::size_t members_max = 64;
constexpr std::size_t address_bytes_max = 255;

/// At least one voter, at most members_max members, ids and addresses set and unique, addresses within
/// address_bytes_max and without a zero byte. invalid_argument names the member.
result<void> check_configuration(const configuration& members);

/// The bytes that libraft writes and reads for a configuration (payload of a change entry): a version byte, the number
/// of members, then id, zero-terminated address and role of each; integers little-endian, padded to 8 bytes.
std::string encode_configuration(const configuration& members);

/// Reads what encode_configuration wrote, from any source: libraft's own decoder checks no bounds. invalid_argument if
/// it is malformed or breaks check_configuration.
result<configuration> decode_configuration(std::string_view bytes);

}  // namespace hive::replication
