#include "gate/access_rules.hpp"

#include <array>

namespace hive::gate {
namespace {

constexpr std::array all_roles{role::client, role::worker, role::node, role::operator_};

}  // namespace

std::string to_string(role one) {
  switch (one) {
    case role::client:
      return "client";
    case role::worker:
      return "worker";
    case role::node:
      return "node";
    case role::operator_:
      return "operator";
  }
  return "unknown";
}

std::string to_string(role_set roles) {
  std::string names;
  for (const role one : all_roles) {
    if (roles.has_any_of(one)) names += (names.empty() ? "" : ", ") + to_string(one);
  }
  return names.empty() ? "none" : names;
}

role_set parse_role(std::string_view text) {
  for (const role one : all_roles) {
    if (text == to_string(one)) return one;
  }
  return {};
}

void access_rules::allow(std::uint64_t actor_id, std::string_view message_type, role_set who) {
  auto& allowed = rules_[actor_id][std::string(message_type)];
  allowed = allowed | who;
}

access_rules::verdict access_rules::check(std::uint64_t actor_id, std::string_view message_type, role_set who) const {
  const auto actor = rules_.find(actor_id);
  if (actor == rules_.end()) return verdict::unknown_receiver;
  const auto message = actor->second.find(message_type);
  if (message == actor->second.end()) return verdict::unknown_message;
  return message->second.has_any_of(who) ? verdict::allowed : verdict::wrong_role;
}

}  // namespace hive::gate
