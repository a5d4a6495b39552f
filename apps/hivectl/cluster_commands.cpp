#include <unistd.h>

#include <iostream>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "apps/hivectl/cluster_recovery.hpp"
#include "apps/hivectl/session.hpp"
#include "apps/plan_files/plan_files.hpp"

namespace hive::hivectl {
namespace {

using std::chrono::steady_clock;

constexpr milliseconds look_again_after{200};
constexpr milliseconds catch_up_look_after{500};
/// For the status of the first node that answers, and of one that another node named.
constexpr milliseconds status_patience{5'000};
constexpr milliseconds named_patience{1'500};
/// What a node says of its cluster is a little old.
constexpr std::chrono::seconds status_age_max{5};
/// Close enough for the leader to bring it to the end of the log and promote it in one go.
constexpr std::uint64_t lag_max = 1'000;

struct cluster_arguments {
  std::uint64_t node_id = 0;
  std::string endpoint;
  std::string wait = "10m";
  std::string data_dir;
  bool is_stand_by = false;
  bool is_forced = false;
  bool is_agreed = false;
};

std::string next_step(errc code) {
  switch (code) {
    case errc::permission_denied:
      return "this takes a certificate with the role operator: hivectl tls issue operator NAME";
    case errc::unavailable:
    case errc::not_leader:
      return "ask the nodes one by one: hivectl --endpoint HOST:PORT cluster status; most of the voters must be up, "
             "and if "
             "they are lost for ever see hivectl cluster recover --help";
    case errc::deadline_exceeded:
      return "it may have happened, or may yet: look with hivectl cluster status before you repeat it";
    default:
      return "see the members: hivectl cluster status";
  }
}

int fail_change(const error& failure) {
  return fail(failure, failure.field == "cluster.name"
                           ? "give the node cluster.name and cluster.node_id in its hive.toml and start it anew"
                           : next_step(failure.code));
}

std::string id_text(std::uint64_t node_id) { return "node " + std::to_string(node_id); }

const v1::ClusterMember* find_member(const v1::ClusterStatusResponse& status, std::uint64_t node_id) {
  for (const auto& one : status.members()) {
    if (one.node_id() == node_id) return &one;
  }
  return nullptr;
}

// ---- status

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

table member_table(const v1::ClusterStatusResponse& status) {
  const bool is_leader = status.role() == "leader";
  table rows{{"ID", "ENDPOINT", "ROLE", "LEADS", "LINKED", "LAG", "VERSION"}, {}};
  for (const auto& one : status.members()) {
    // Only a leader knows how far the others are.
    const bool is_lag_known = is_leader && one.node_id() != status.node_id();
    rows.rows.push_back({std::to_string(one.node_id()), one.endpoint(), name_of(one.role()),
                         one.is_leader() ? "leader" : "-", one.is_linked() ? "yes" : "no",
                         is_lag_known ? std::to_string(one.lag()) : "-", one.version().empty() ? "-" : one.version()});
  }
  return rows;
}

int show_status(session& context) {
  const auto connection = context.connect_to({});
  if (!connection) return fail(context, connection.failure());
  const auto status = (*connection)->cluster_status();
  if (!status) return fail(context, status.failure());
  if (!context.out.is_table()) {
    context.out.print(*status);
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
       {"answered by", id_text(status->node_id()) + "  " + status->role()},
       {"leader", leader_text(*status)},
       {"term", std::to_string(status->term())},
       {"log", (last < first ? "empty" : std::to_string(first) + " to " + std::to_string(last)) + ", committed to " +
                   std::to_string(status->commit_index()) + ", applied to " + std::to_string(status->applied_index())},
       {"under way", under_way(*status)},
       {"FAILED", status->failure()}});
  if (status->members().empty()) return 0;
  context.out.print_line("");
  context.out.print(member_table(*status));
  return 0;
}

// ---- changes

struct found_leader {
  std::shared_ptr<client> connection;
  v1::ClusterStatusResponse status;
};

std::vector<std::string> split_endpoints(const std::string& all) {
  std::vector<std::string> made;
  std::istringstream text(all);
  for (std::string one; std::getline(text, one, ',');) made.push_back(one);
  return made;
}

/// Follows what nodes say of the leader, from the one that the session was pointed to, until `deadline`.
result<found_leader> find_leader(session& context, steady_clock::time_point deadline) {
  std::string node;
  std::vector<std::string> others;  // to be asked one by one
  bool has_asked_all = false;
  error last{errc::unavailable, "there is no leader", {}};
  for (;;) {
    // Who was named as the leader may be dead by now: the others soon know better.
    const auto connection = context.connect_to(node, node.empty() ? status_patience : named_patience);
    const auto status =
        connection ? (*connection)->cluster_status() : result<v1::ClusterStatusResponse>(connection.failure());
    if (!status) {
      if (node.empty()) return status.failure();
      last = {errc::unavailable, "the leader at " + node + " is not reached: " + status.failure().message, {}};
      node.clear();
    } else if (status->role() == "standalone") {
      return error{errc::failed_precondition, "the node at " + context.endpoint + " stands alone", "cluster.name"};
    } else if (status->role() == "waiting") {
      last = {errc::failed_precondition,
              "the node at " + context.endpoint +
                  " is in no cluster yet: add it from a member's side, or make it the first one with cluster init",
              {}};
      // It may be the one that is to be added, at the address of one that was a member: the others know more.
      if (others.empty() && !std::exchange(has_asked_all, true)) others = split_endpoints(context.endpoint);
      if (others.empty()) return last;
      node = others.back();
      others.pop_back();
      continue;
    } else if (status->role() == "leader") {
      return found_leader{*connection, *status};
    } else {
      has_asked_all = false;  // there is a member, if without a leader now
      last = {errc::unavailable, id_text(status->node_id()) + " knows of no leader", {}};
      const bool is_news = !status->leader_endpoint().empty() && status->leader_endpoint() != node;
      node = status->leader_endpoint();
      if (is_news) continue;
      node.clear();
    }
    if (steady_clock::now() >= deadline) return last;
    std::this_thread::sleep_for(look_again_after);
  }
}

milliseconds left_until(steady_clock::time_point deadline) {
  return std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
}

/// At the leader, also if leadership moves meanwhile.
result<v1::ChangeClusterResponse> change(session& context, const v1::ChangeClusterRequest& request,
                                         steady_clock::time_point deadline) {
  for (;;) {
    const auto leader = find_leader(context, deadline);
    if (!leader) return leader.failure();
    auto done = leader->connection->change_cluster(request, left_until(deadline));
    if (done || done.failure().code != errc::not_leader || steady_clock::now() >= deadline) return done;
  }
}

steady_clock::time_point call_deadline(session& context) { return steady_clock::now() + context.call_timeout(); }

int tell_change(const session& context, const result<v1::ChangeClusterResponse>& done, const std::string& words) {
  if (!done) return fail_change(done.failure());
  if (!context.out.is_table()) {
    context.out.print(*done);
  } else {
    context.out.print_line(words);
  }
  return 0;
}

int init(session& context) {
  const auto connection = context.connect_to({});
  if (!connection) return fail(context, connection.failure());
  if (context.endpoint.find(',') != std::string::npos)
    return fail_usage("init is for one node, not for the first that answers of " + context.endpoint,
                      "hivectl --endpoint HOST:PORT cluster init");
  v1::ChangeClusterRequest request;
  request.mutable_init();
  const auto done = (*connection)->change_cluster(request, context.call_timeout());
  return tell_change(
      context, done,
      "the node at " + context.endpoint +
          " is the first member of its cluster now, with all that it had\n"
          "next:  start another node with the same cluster.name, a cluster.node_id of its own and an empty\n"
          "       folder, then hivectl cluster add NODE_ID HOST:PORT");
}

/// One line on stderr: redrawn on a terminal, else printed when it changes, once in a while.
class progress_line {
 public:
  void show(const std::string& text) {
    const auto now = steady_clock::now();
    if (text == shown_ || (!is_terminal_ && now - shown_at_ < seconds_between)) return;
    shown_ = text;
    shown_at_ = now;
    std::cerr << (is_terminal_ ? "\r\x1b[K" + text : text + "\n") << std::flush;
  }
  ~progress_line() {
    if (is_terminal_ && !shown_.empty()) std::cerr << "\r\x1b[K" << std::flush;
  }

 private:
  static constexpr std::chrono::seconds seconds_between{1};
  const bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::string shown_;
  steady_clock::time_point shown_at_{};
};

std::string describe_catching_up(const v1::ClusterMember& member) {
  const std::string who = id_text(member.node_id()) + " at " + member.endpoint();
  if (!member.is_linked()) return who + " is not reached yet";
  if (member.match_index() == 0) return who + " gets a copy of the state";
  return who + " is " + std::to_string(member.lag()) + " entries behind";
}

/// Waits until the stand-by has nearly all of the log, then makes it a voter.
result<v1::ChangeClusterResponse> promote_in_time(session& context, const cluster_arguments& told,
                                                  steady_clock::time_point deadline) {
  v1::ChangeClusterRequest request;
  request.mutable_promote()->set_node_id(told.node_id);
  progress_line progress;
  std::string last = "it was not looked at";
  auto missing_since = steady_clock::now();
  std::optional<error> refusal;
  while (steady_clock::now() < deadline) {
    const auto leader = find_leader(context, deadline);
    if (!leader) return leader.failure();
    const auto* const member = find_member(leader->status, told.node_id);
    if (member == nullptr) {
      if (steady_clock::now() - missing_since > status_age_max)
        return error{errc::not_found, id_text(told.node_id) + " is not a member any more", {}};
      std::this_thread::sleep_for(look_again_after);
      continue;
    }
    missing_since = steady_clock::now();
    if (member->role() == v1::MEMBER_ROLE_VOTER) return v1::ChangeClusterResponse{};
    if (refusal) return *refusal;
    last = describe_catching_up(*member);
    progress.show(last);
    if (member->is_linked() && member->match_index() > 0 && member->lag() <= lag_max) {
      auto done = leader->connection->change_cluster(request, left_until(deadline));
      if (done) return done;
      last = done.failure().message;
      // What does not pass by itself, as an election or a node that fell behind again do; but it may be a voter by now.
      const auto code = done.failure().code;
      if (code != errc::unavailable && code != errc::not_leader && code != errc::deadline_exceeded)
        refusal = done.failure();
    }
    std::this_thread::sleep_for(catch_up_look_after);
  }
  return error{errc::deadline_exceeded,
               id_text(told.node_id) + " stays a stand-by: " + last +
                   "; promote it later with hivectl cluster promote " + std::to_string(told.node_id),
               {}};
}

/// The stand-by `told`, new or from an earlier try; true if it votes already.
result<bool> add_stand_by(session& context, const cluster_arguments& told, steady_clock::time_point deadline) {
  const auto leader = find_leader(context, deadline);
  if (!leader) return leader.failure();
  if (const auto* const member = find_member(leader->status, told.node_id)) {
    if (member->endpoint() != told.endpoint)
      return error{errc::already_exists,
                   id_text(told.node_id) + " is a member at " + member->endpoint() +
                       "; one that moves, or lost its data, needs a new id: remove the old one first",
                   "NODE_ID"};
    return member->role() == v1::MEMBER_ROLE_VOTER;
  }
  v1::ChangeClusterRequest request;
  request.mutable_add()->set_node_id(told.node_id);
  request.mutable_add()->set_endpoint(told.endpoint);
  const auto done = change(context, request, deadline);
  if (!done) return done.failure();
  return false;
}

int add(session& context, const cluster_arguments& told) {
  const auto wait_ms = plan_files::parse_duration_ms(told.wait);
  if (!wait_ms) return fail_usage("--for " + wait_ms.failure().message, "for example --for 10m");
  const auto is_voter = add_stand_by(context, told, call_deadline(context));
  if (!is_voter) return fail_change(is_voter.failure());
  const std::string who = id_text(told.node_id) + " at " + told.endpoint;
  if (*is_voter) return tell_change(context, v1::ChangeClusterResponse{}, who + " is a voter already");
  if (told.is_stand_by)
    return tell_change(context, v1::ChangeClusterResponse{}, who + " is a stand-by: it gets the log and does not vote");
  const auto promoted = promote_in_time(context, told, steady_clock::now() + milliseconds{*wait_ms});
  return tell_change(context, promoted, who + " is a voter now");
}

int transfer(session& context, const cluster_arguments& told) {
  v1::ChangeClusterRequest request;
  request.mutable_transfer()->set_node_id(told.node_id);
  const auto deadline = call_deadline(context);
  const auto before = find_leader(context, deadline);
  if (!before) return fail_change(before.failure());
  if (before->status.node_id() == told.node_id)
    return tell_change(context, v1::ChangeClusterResponse{}, id_text(told.node_id) + " leads already");
  const auto done = change(context, request, deadline);
  if (!done) return fail_change(done.failure());
  const auto leader = find_leader(context, deadline);
  return tell_change(context, done,
                     leader ? id_text(leader->status.node_id()) + " leads now" : "leadership was handed over");
}

// ---- recovery

void explain_recovery(const stored_cluster& found, const cluster_arguments& told) {
  std::cerr << "This makes " << id_text(told.node_id) << " at " << told.endpoint
            << " the only member of its cluster, by force, with the data in\n"
            << told.data_dir << ". It is for when most voters are lost for ever.\n\n"
            << "It has the log up to entry " << found.log.last << " of term " << found.log.term << ", applied up to "
            << found.log.applied.index << ". Members as it knows them:\n";
  for (const auto& one : found.members.members)
    std::cerr << "  " << id_text(one.id.value) << " at " << one.address
              << (one.role == replication::member_role::voter ? "  voter" : "  stand-by") << "\n";
  std::cerr
      << "\nLost is what only the others had: changes that were acknowledged but never reached this node. If several\n"
         "nodes are left, recover the one with the highest term, and of those the highest entry.\n"
         "Every other node of the cluster must never start with its old data again: empty its folder, give it a new\n"
         "id, and add it.\n";
}

int recover(const cluster_arguments& told) {
  const auto found = read_stored_cluster(told.data_dir);
  const auto next = [](const error& failure) -> std::string {
    switch (failure.code) {
      case errc::unavailable:
        return "stop hived first: recovery works on the data of a stopped node";
      case errc::not_found:
        return "--data-dir is node.data_dir of the node's hive.toml";
      case errc::failed_precondition:
        return "a node that stands alone needs no recovery: just start it";
      case errc::invalid_argument:
        return "--node-id is cluster.node_id of the node's hive.toml, --endpoint its cluster.endpoint";
      default:
        return "restore a backup instead: docs/operations.md";
    }
  };
  if (!found) return fail(found.failure(), next(found.failure()));
  explain_recovery(*found, told);
  if (!told.is_agreed) {
    std::cerr << "\nNothing was changed.\n";
    return fail_usage("this cannot be undone", "make a copy of the folder, then repeat the command with --yes");
  }
  const auto done = recover_cluster(told.data_dir, told.node_id, told.endpoint);
  if (!done) return fail(done.failure(), next(done.failure()));
  std::cout
      << id_text(told.node_id) << " is the only member now\n"
      << "next:  start hived with this folder, look with hivectl cluster status, then add the others, emptied and\n"
         "       with new ids: hivectl cluster add NODE_ID HOST:PORT\n";
  return 0;
}

// ---- the command line

using arguments_ptr = std::shared_ptr<cluster_arguments>;

void require_node_id(CLI::App& command, const arguments_ptr& told) {
  command.add_option("NODE_ID", told->node_id, "cluster.node_id of the node")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX));
}

void add_role_commands(CLI::App& group, session& context) {
  auto told = std::make_shared<cluster_arguments>();
  const auto run = [&context, told](const auto& fill, const std::string& words) {
    context.action = [&context, told, fill, words] {
      v1::ChangeClusterRequest request;
      fill(request);
      return tell_change(context, change(context, request, call_deadline(context)), id_text(told->node_id) + words);
    };
  };
  auto* promote = group.add_subcommand("promote", "Let a stand-by vote; waits until it has the log.");
  require_node_id(*promote, told);
  promote->callback([run, told] {
    run([told](v1::ChangeClusterRequest& request) { request.mutable_promote()->set_node_id(told->node_id); },
        " is a voter now");
  });
  auto* demote = group.add_subcommand("demote", "Make a voter a stand-by.");
  require_node_id(*demote, told);
  demote->add_flag("--force", told->is_forced, "also if fewer than three voters are left");
  demote->callback([run, told] {
    run(
        [told](v1::ChangeClusterRequest& request) {
          request.mutable_demote()->set_node_id(told->node_id);
          request.mutable_demote()->set_is_forced(told->is_forced);
        },
        " is a stand-by now");
  });
  auto* remove = group.add_subcommand("remove", "Remove a member; its id is not to be used again.");
  require_node_id(*remove, told);
  remove->add_flag("--force", told->is_forced, "also if fewer than three voters are left");
  remove->callback([run, told] {
    run(
        [told](v1::ChangeClusterRequest& request) {
          request.mutable_remove()->set_node_id(told->node_id);
          request.mutable_remove()->set_is_forced(told->is_forced);
        },
        " is a member no more; stop it, and never start it with this data again");
  });
}

void add_recover_command(CLI::App& group, session& context) {
  auto told = std::make_shared<cluster_arguments>();
  auto* command = group.add_subcommand(
      "recover",
      "Last resort when most voters are lost for ever: make a stopped node the only member. Works on its data.");
  command->add_option("--data-dir", told->data_dir, "node.data_dir of the node")->required()->type_name("DIR");
  command->add_option("--node-id", told->node_id, "cluster.node_id of the node")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX));
  command->add_option("--endpoint", told->endpoint, "where the node will be reached")
      ->required()
      ->type_name("HOST:PORT");
  command->add_flag("--yes", told->is_agreed, "do it; without this the command only says what would be lost");
  command->callback([&context, told] { context.action = [told] { return recover(*told); }; });
}

}  // namespace

void add_cluster_commands(CLI::App& app, session& context) {
  auto* group = app.add_subcommand("cluster", "Look at the cluster and change it.");
  group->require_subcommand(1);

  auto* status = group->add_subcommand("status", "Show the members, who leads, and how far each has come.");
  status->callback([&context] { context.action = [&context] { return show_status(context); }; });

  auto* initializing = group->add_subcommand(
      "init", "Make the node that is asked the first member of its cluster; it keeps all that it has.");
  initializing->callback([&context] { context.action = [&context] { return init(context); }; });

  auto told = std::make_shared<cluster_arguments>();
  auto* adding = group->add_subcommand("add", "Add a node that runs, empty, and let it vote once it has caught up.");
  require_node_id(*adding, told);
  adding->add_option("ENDPOINT", told->endpoint, "HOST:PORT, cluster.endpoint of the node")->required();
  adding->add_flag("--stand-by", told->is_stand_by, "leave it without a vote");
  adding->add_option("--for", told->wait, "Longest time to catch up, e.g. 30m")->capture_default_str();
  adding->footer("May be repeated: what is done already is left as it is.");
  adding->callback([&context, told] { context.action = [&context, told] { return add(context, *told); }; });

  add_role_commands(*group, context);

  auto target = std::make_shared<cluster_arguments>();
  auto* transferring = group->add_subcommand("transfer", "Hand leadership over, before a restart for example.");
  transferring->add_option("NODE_ID", target->node_id, "the voter to lead (default: the one with the most of the log)");
  transferring->callback(
      [&context, target] { context.action = [&context, target] { return transfer(context, *target); }; });

  add_recover_command(*group, context);
}

}  // namespace hive::hivectl
