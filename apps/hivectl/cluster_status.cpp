#include "apps/hivectl/cluster_status.hpp"

#include <sstream>
#include <utility>

#include "apps/hivectl/message_json.hpp"

namespace hive::hivectl {
namespace {

/// For the first node that answers, and for one that another node named.
constexpr milliseconds status_patience{5'000};
constexpr milliseconds leader_patience{1'500};

std::string leader_text(const v1::ClusterStatusResponse& status) {
  if (status.leader_id() == 0) return "none known: changes must wait for an election";
  return id_text(status.leader_id()) + (status.leader_endpoint().empty() ? "" : " at " + status.leader_endpoint());
}

std::string under_way(const v1::ClusterStatusResponse& status) {
  std::string text;
  const auto add = [&text](bool is_so, const std::string& what) {
    if (is_so) text += (text.empty() ? "" : ", ") + what;
  };
  add(status.is_change_pending(), "a change of the members");
  add(status.is_installing(), "a copy of the leader's state is coming in");
  add(status.is_transferring(), "leadership is being handed over");
  return text;
}

/// Only a leader knows how far the others are.
bool is_lag_known(const v1::ClusterStatusResponse& status, const v1::ClusterMember& member) {
  return status.role() == "leader" && member.node_id() != status.node_id();
}

/// As the node said, without the numbers that it does not know.
nlohmann::ordered_json known_json(const v1::ClusterStatusResponse& status) {
  auto value = to_json(status);
  for (int i = 0; i < status.members_size(); ++i) {
    if (is_lag_known(status, status.members(i))) continue;
    auto& member = value["members"][static_cast<std::size_t>(i)];
    member.erase("lag");
    member.erase("match_index");
  }
  return value;
}

/// What the leader says, if one is reached; else what the first node that answers says.
result<v1::ClusterStatusResponse> ask_leader_first(session& context) {
  const auto connection = context.connect_to({}, status_patience);
  if (!connection) return connection.failure();
  auto first = (*connection)->cluster_status();
  if (!first || first->role() == "leader" || first->role() == "standalone") return first;
  // One that waits to be added does not know of a leader, but another endpoint may.
  std::vector<std::string> others = split_endpoints(context.endpoint);
  if (others.size() == 1 && first->role() != "waiting") others.clear();
  if (!first->leader_endpoint().empty()) others = {first->leader_endpoint()};
  for (const auto& node : others) {
    const auto next = context.connect_to(node, leader_patience);
    if (!next) continue;
    auto told = (*next)->cluster_status();
    if (told && told->role() == "leader") return told;
    if (told && first->role() == "waiting" && told->role() != "waiting") first = std::move(told);
  }
  return first;
}

table member_table(const v1::ClusterStatusResponse& status) {
  table rows{{"ID", "ENDPOINT", "ROLE", "LEADS", "LINKED", "LAG", "VERSION"}, {}};
  for (const auto& one : status.members()) {
    rows.rows.push_back({std::to_string(one.node_id()), one.endpoint(), name_of(one.role()),
                         one.is_leader() ? "leader" : "-", one.is_linked() ? "yes" : "no",
                         is_lag_known(status, one) ? std::to_string(one.lag()) : "-",
                         one.version().empty() ? "-" : one.version()});
  }
  return rows;
}

}  // namespace

std::string id_text(std::uint64_t node_id) { return "node " + std::to_string(node_id); }

std::vector<std::string> split_endpoints(const std::string& all) {
  std::vector<std::string> made;
  std::istringstream text(all);
  for (std::string one; std::getline(text, one, ',');) made.push_back(one);
  return made;
}

int show_cluster_status(session& context) {
  const auto status = ask_leader_first(context);
  if (!status) return fail(context, status.failure());
  if (!context.out.is_table()) {
    context.out.print_value(known_json(*status));
    return 0;
  }
  if (status->role() == "standalone") {
    context.out.print_fields({{"node", context.endpoint + "  standalone"}});
    return 0;
  }
  const auto first = status->log_first();
  const auto last = status->log_last();
  context.out.print_fields(
      {{"cluster", status->cluster()},
       {"answered by", id_text(status->node_id()) + "  " + status->role() +
                           (status->role() == "leader" ? "" : "  (how far the others are, only a leader knows)")},
       {"leader", leader_text(*status)},
       {"term", std::to_string(status->term())},
       {"log", (last < first ? "empty" : std::to_string(first) + " to " + std::to_string(last)) + ", committed to " +
                   std::to_string(status->commit_index()) + ", applied to " + std::to_string(status->applied_index())},
       {"under way", under_way(*status)},
       {"FAILED", status->failure()}});
  if (status->members().empty()) return 0;
  context.out.print_line("");
  context.out.print(member_table(*status));
  for (const auto& one : status->members()) {
    if (!one.trouble().empty())
      context.out.print_line("\n" + id_text(one.node_id()) + " is not reached: " + one.trouble());
  }
  return 0;
}

}  // namespace hive::hivectl
