#include <unistd.h>

#include <charconv>
#include <iostream>
#include <limits>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "apps/hivectl/cluster_recovery.hpp"
#include "apps/hivectl/cluster_status.hpp"
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

/// As cluster.node_id of hived.
constexpr std::uint64_t node_id_max = std::numeric_limits<std::int64_t>::max();

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
    case errc::not_found:
    case errc::already_exists:
    case errc::failed_precondition:
      return "see the members: hivectl cluster status";
    default:
      return {};
  }
}

int fail_change(const error& failure) {
  return fail(failure, failure.field == "cluster.name"
                           ? "give the node cluster.name and cluster.node_id in its hive.toml and start it anew"
                           : next_step(failure.code));
}

const v1::ClusterMember* find_member(const v1::ClusterStatusResponse& status, std::uint64_t node_id) {
  for (const auto& one : status.members()) {
    if (one.node_id() == node_id) return &one;
  }
  return nullptr;
}

// ---- changes

struct found_leader {
  std::shared_ptr<client> connection;
  v1::ClusterStatusResponse status;
};

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
  if (!member.is_linked())
    return who + " is not reached yet" + (member.trouble().empty() ? "" : ": " + member.trouble());
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

int recover(const session& context, const cluster_arguments& told) {
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
  const auto& members = found->members.members;
  if (found->members.find(replication::node_id{told.node_id}) == nullptr) {
    std::string known;
    for (const auto& one : members)
      known += (known.empty() ? "" : ", ") + std::to_string(one.id.value) + " at " + one.address;
    const error unknown{errc::invalid_argument,
                        "this data knows no member " + std::to_string(told.node_id) + ", but " + known, "--node-id"};
    return fail(unknown, next(unknown));
  }
  explain_recovery(*found, told);
  if (!told.is_agreed) {
    std::cerr << "\nNothing was changed.\n";
    return fail_usage("this cannot be undone", "make a copy of the folder, then repeat the command with --yes");
  }
  const auto done = recover_cluster(told.data_dir, told.node_id, told.endpoint);
  if (!done) return fail(done.failure(), next(done.failure()));
  if (!context.out.is_table()) {
    context.out.print_value({{"data_dir", told.data_dir}, {"node_id", told.node_id}, {"endpoint", told.endpoint}});
    return 0;
  }
  std::cout
      << id_text(told.node_id) << " is the only member now\n"
      << "next:  start hived with this folder, look with hivectl cluster status, then add the others, emptied and\n"
         "       with new ids: hivectl cluster add NODE_ID HOST:PORT\n";
  return 0;
}

// ---- the command line

using arguments_ptr = std::shared_ptr<cluster_arguments>;

/// Reads the text itself: conversions of the library take -1 and what is too large for the largest number there is.
CLI::Option* add_node_id(CLI::App& command, const arguments_ptr& told, const std::string& name,
                         const std::string& about) {
  const auto read = [told](const CLI::results_t& texts) {
    const std::string& text = texts.front();
    std::uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || value < 1 || value > node_id_max)
      throw CLI::ValidationError("NODE_ID", "must be 1 to " + std::to_string(node_id_max) + ", not " + text);
    told->node_id = value;
    return true;
  };
  return command.add_option(name, read, about)->type_name("UINT");
}

void require_node_id(CLI::App& command, const arguments_ptr& told) {
  add_node_id(command, told, "NODE_ID", "cluster.node_id of the node")->required();
}

/// Where others are to find the node: a port that a person could mistype is looked at before anything is asked.
void require_endpoint(CLI::App& command, const arguments_ptr& told, const std::string& name, const std::string& about) {
  command.add_option(name, told->endpoint, about)
      ->required()
      ->type_name("HOST:PORT")
      ->check([](const std::string& text) {
        const auto address = config::parse_endpoint(text, "ENDPOINT");
        if (!address) return "ENDPOINT " + address.failure().message;
        return address->port == 0 ? "ENDPOINT " + text + ": others must find the node at a port" : std::string{};
      });
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
  add_node_id(*command, told, "--node-id", "cluster.node_id of the node")->required();
  require_endpoint(*command, told, "--endpoint", "where the node will be reached");
  command->add_flag("--yes", told->is_agreed, "do it; without this the command only says what would be lost");
  command->callback([&context, told] { context.action = [&context, told] { return recover(context, *told); }; });
}

}  // namespace

void add_cluster_commands(CLI::App& app, session& context) {
  auto* group = app.add_subcommand("cluster", "Look at the cluster and change it.");
  group->require_subcommand(1);
  group->footer(
      "Examples:\n"
      "  hivectl cluster status                                 who leads, who is linked, how far each is\n"
      "  hivectl cluster add 4 n4.example.org:7117              a node that runs, empty, with node_id = 4\n"
      "  hivectl cluster remove 3                               a dead one; its id is not to be used again\n"
      "  hivectl cluster transfer                               before the restart of the leader\n"
      "docs/operations.md leads through it.");

  auto* status =
      group->add_subcommand("status",
                            "Show the members, who leads, and how far each has come, as the leader knows it; "
                            "without one, as the first node that answers does.");
  status->callback([&context] { context.action = [&context] { return show_cluster_status(context); }; });

  auto* initializing = group->add_subcommand(
      "init", "Make the node that is asked the first member of its cluster; it keeps all that it has.");
  initializing->callback([&context] { context.action = [&context] { return init(context); }; });

  auto told = std::make_shared<cluster_arguments>();
  auto* adding = group->add_subcommand("add", "Add a node that runs, empty, and let it vote once it has caught up.");
  require_node_id(*adding, told);
  require_endpoint(*adding, told, "ENDPOINT", "cluster.endpoint of the node");
  adding->add_flag("--stand-by", told->is_stand_by, "leave it without a vote");
  adding->add_option("--for", told->wait, "Longest time to catch up, e.g. 30m")->capture_default_str();
  adding->footer("May be repeated: what is done already is left as it is.");
  adding->callback([&context, told] { context.action = [&context, told] { return add(context, *told); }; });

  add_role_commands(*group, context);

  auto target = std::make_shared<cluster_arguments>();
  auto* transferring = group->add_subcommand("transfer", "Hand leadership over, before a restart for example.");
  add_node_id(*transferring, target, "NODE_ID", "the voter to lead (default: the one with the most of the log)");
  transferring->callback(
      [&context, target] { context.action = [&context, target] { return transfer(context, *target); }; });

  add_recover_command(*group, context);
}

}  // namespace hive::hivectl
