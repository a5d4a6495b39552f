#include "replication/configuration.hpp"

#include <algorithm>
#include <optional>

namespace hive::replication {

namespace {

constexpr std::uint8_t encoding_version = 1;
constexpr std::size_t encoding_alignment = 8;

error malformed(const std::string& what) {
  return error{errc::invalid_argument, "malformed configuration: " + what, "configuration"};
}

void put_u64(std::string& bytes, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
}

/// Takes from the front of `bytes`; nothing if there is not enough.
std::optional<std::uint64_t> take_u64(std::string_view& bytes) {
  if (bytes.size() < 8) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  bytes.remove_prefix(8);
  return value;
}

std::optional<std::uint8_t> take_u8(std::string_view& bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto value = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  return value;
}

}  // namespace

const member* configuration::find(node_id id) const {
  const auto found = std::find_if(members.begin(), members.end(), [id](const member& one) { return one.id == id; });
  return found == members.end() ? nullptr : &*found;
}

bool configuration::is_voter(node_id id) const {
  const member* found = find(id);
  return found != nullptr && found->role == member_role::voter;
}

std::size_t configuration::voter_count() const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [](const member& one) { return one.role == member_role::voter; }));
}

result<void> check_configuration(const configuration& members) {
  if (members.members.size() > members_max) return malformed("more than " + std::to_string(members_max) + " members");
  for (auto one = members.members.begin(); one != members.members.end(); ++one) {
    const std::string name = "member " + std::to_string(one->id.value);
    if (!one->id.is_set()) return malformed("a member without an id");
    if (one->address.empty() || one->address.size() > address_bytes_max) {
      return malformed(name + " has an address of " + std::to_string(one->address.size()) + " bytes; 1 to " +
                       std::to_string(address_bytes_max) + " are possible");
    }
    if (one->address.find('\0') != std::string::npos) return malformed("a zero byte in the address of " + name);
    if (one->role != member_role::voter && one->role != member_role::stand_by) {
      return malformed(name + " has an unknown role");
    }
    for (auto other = members.members.begin(); other != one; ++other) {
      if (other->id == one->id) return malformed(name + " stands there twice");
      if (other->address == one->address)
        return malformed(name + " has the address of node " + std::to_string(other->id.value) +
                         ": remove that one first, or give this one another address");
    }
  }
  if (members.voter_count() == 0) return malformed("no voter");
  return {};
}

std::string encode_configuration(const configuration& members) {
  std::string bytes;
  bytes.push_back(static_cast<char>(encoding_version));
  put_u64(bytes, members.members.size());
  for (const member& one : members.members) {
    put_u64(bytes, one.id.value);
    bytes.append(one.address);
    bytes.push_back('\0');
    bytes.push_back(static_cast<char>(one.role));
  }
  bytes.resize((bytes.size() + encoding_alignment - 1) / encoding_alignment * encoding_alignment, '\0');
  return bytes;
}

result<configuration> decode_configuration(std::string_view bytes) {
  const auto version = take_u8(bytes);
  if (version != encoding_version) return malformed("unknown version");
  const auto count = take_u64(bytes);
  if (!count || *count > members_max) return malformed("number of members");
  configuration decoded;
  for (std::uint64_t i = 0; i < *count; ++i) {
    const auto id = take_u64(bytes);
    const std::size_t end = bytes.find('\0');
    if (!id || end == std::string_view::npos) return malformed("it ends within a member");
    member one{node_id{*id}, std::string{bytes.substr(0, end)}, member_role::voter};
    bytes.remove_prefix(end + 1);
    const auto role = take_u8(bytes);
    if (!role) return malformed("it ends within a member");
    one.role = static_cast<member_role>(*role);
    decoded.members.push_back(std::move(one));
  }
  if (bytes.size() >= encoding_alignment || bytes.find_first_not_of('\0') != std::string_view::npos) {
    return malformed("bytes after its end");
  }
  if (auto good = check_configuration(decoded); !good) return good.failure();
  return decoded;
}

}  // namespace hive::replication
