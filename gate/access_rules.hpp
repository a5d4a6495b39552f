#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace hive::gate {

/// What the holder of a certificate is. A certificate may carry several.
enum class role : std::uint8_t { client = 1, worker = 2, node = 4, operator_ = 8 };

/// Roles as a set of bits.
struct role_set {
  std::uint8_t bits = 0;

  constexpr role_set() = default;
  constexpr role_set(role one) : bits(static_cast<std::uint8_t>(one)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] constexpr bool is_empty() const { return bits == 0; }
  [[nodiscard]] constexpr bool has_any_of(role_set other) const { return (bits & other.bits) != 0; }
  friend constexpr role_set operator|(role_set left, role_set right) {
    left.bits = static_cast<std::uint8_t>(left.bits | right.bits);
    return left;
  }
  friend constexpr bool operator==(role_set left, role_set right) = default;
};
constexpr role_set operator|(role left, role right) { return role_set(left) | role_set(right); }

/// "client", "worker", "node", "operator".
std::string to_string(role one);
/// "client, worker"; "none" for an empty set.
std::string to_string(role_set roles);
/// An empty set if there is no such role.
role_set parse_role(std::string_view text);

/// Which messages a role may send to which front actor of this node. What is not listed does not pass: a peer could
/// otherwise address every actor of the process by its number. Filled before the gate opens, never changed afterwards;
/// reading is thread-safe.
class access_rules {
 public:
  enum class verdict : std::uint8_t {
    allowed,
    wrong_role,        // the actor takes this message, from others
    unknown_message,   // the actor takes no such message
    unknown_receiver,  // no front actor has this number
  };

  /// `message_type` as CAF writes it on the wire, "hive.v1.PingRequest". Adds to what was allowed before.
  void allow(std::uint64_t actor_id, std::string_view message_type, role_set who);

  [[nodiscard]] verdict check(std::uint64_t actor_id, std::string_view message_type, role_set who) const;

 private:
  std::map<std::uint64_t, std::map<std::string, role_set, std::less<>>> rules_;
};

}  // namespace hive::gate
