#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "replication/peer_message.hpp"

namespace hive::v1 {
class PeerMessage;
}

namespace hive::replication {

/// What a peer may send at most; more is refused before it is looked at.
constexpr std::size_t entries_per_message_max = 65536;
constexpr std::size_t message_bytes_limit = 256ULL << 20;
constexpr std::size_t snapshot_chunk_bytes_max = 1ULL << 20;

v1::PeerMessage to_wire(const peer_message& message);
/// As decode().
result<peer_message> from_wire(v1::PeerMessage&& message);

/// A serialized v1::PeerMessage.
std::string encode(const peer_message& message);

/// Checks everything that can be checked without knowing the log: limits, terms that are set and do not fall,
/// configurations that can be decoded. libraft of Debian is built without assertions, so nothing else stands between a
/// broken peer and its memory. invalid_argument with the field's path. Pure; any thread.
result<peer_message> decode(std::string_view bytes);

/// The same checks on a message that did not come as bytes.
result<void> check_message(const peer_message& message);

}  // namespace hive::replication
