#include "apps/hivectl/message_json.hpp"
#include "apps/hivectl/session.hpp"
#include "apps/plan_files/plan_files.hpp"
#include "core/health.hpp"

namespace hive::hivectl {
namespace {

std::string counts_text(const v1::StatusResponse& status) {
  std::string text;
  for (int i = 1; i < status.plans_by_state_size(); ++i) {
    if (status.plans_by_state(i) == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(status.plans_by_state(i)) + " " +
            name_of(static_cast<v1::PlanState>(i));
  }
  return text.empty() ? "none" : text;
}

std::string plural(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

int show_status(session& context) {
  const auto connection = context.any_connection();
  if (!connection) return context.failed_status;
  const auto status = connection->status();
  if (!status) return fail(context, status.failure());
  // Only the node that gives tasks out knows who holds what.
  const bool is_follower = status->role() != "leader" && status->role() != "standalone";
  if (!context.out.is_table()) {
    auto value = to_json(*status);
    if (is_follower) value.erase("slots_total");
    if (is_follower) value.erase("slots_used");
    context.out.print_value(value);
    return 0;
  }
  context.out.print_fields(
      {{"node", connection->endpoint() + "  hived " + status->version() + "  " + status->role()},
       {"up", plan_files::format_duration_ms(status->uptime_ms())},
       {"workers", std::to_string(status->workers_active()) + " active, " + std::to_string(status->workers_draining()) +
                       " draining, " + std::to_string(status->workers_lost()) + " lost"},
       {"slots", is_follower
                     ? "-"
                     : std::to_string(status->slots_used()) + " of " + std::to_string(status->slots_total()) + " used"},
       {"plans", counts_text(*status)},
       {"events", std::to_string(status->event_seq_first()) + " to " + std::to_string(status->event_seq_last()) + ", " +
                      plural(status->subscribers(), "subscriber")},
       {"storage", byte_count(status->storage_used_bytes()) + " of " + byte_count(status->storage_map_bytes()) +
                       (status->is_storage_full() ? "  FULL: new work is refused" : "") + "  in " +
                       status->data_dir()}});
  table rows{
      {"TYPE", "SCHEDULED", "BLOCKED", "QUEUED", "LEASED", "RUNNING", "COMPLETED", "FAILED", "CANCELED", "SKIPPED"},
      {}};
  for (const v1::TypeCounts& counts : status->tasks()) {
    std::vector<std::string> row{counts.type()};
    for (int state = v1::TASK_STATE_SCHEDULED; state <= v1::TASK_STATE_SKIPPED; ++state) {
      row.push_back(std::to_string(state < counts.by_state_size() ? counts.by_state(state) : 0));
    }
    rows.rows.push_back(row);
  }
  if (rows.rows.empty()) return 0;
  context.out.print_line("");
  context.out.print(rows);
  return 0;
}

int show_health(session& context, core::health_question question) {
  const auto connection = context.any_connection();
  if (!connection) return context.failed_status;
  const auto status = connection->cluster_status();
  if (!status) return fail(context, status.failure());
  const auto problem = core::health_problem(question, *status);
  if (problem) return fail({errc::unavailable, *problem, {}}, "hivectl cluster status tells more");
  if (!context.out.is_table()) {
    context.out.print(*status);
  } else {
    context.out.print_line("ok");
  }
  return 0;
}

int check(session& context) {
  const auto connection = context.any_connection();
  if (!connection) return context.failed_status;
  const auto checked = connection->check();
  if (!checked) return fail(context, checked.failure());
  if (!context.out.is_table()) {
    context.out.print(*checked);
  } else {
    context.out.print_line(
        "checked " + plural(checked->tasks(), "task") + ", " + plural(checked->plans(), "plan") + ", " +
        plural(checked->workers(), "worker") + ", " + plural(checked->events(), "event") + ": " +
        (checked->violations().empty() ? "consistent"
                                       : plural(static_cast<std::uint64_t>(checked->violations_size()), "violation")));
    for (const std::string& violation : checked->violations()) context.out.print_line("  " + violation);
  }
  return checked->violations().empty() ? 0 : exit_status(errc::data_loss);
}

}  // namespace

void add_node_commands(CLI::App& app, session& context, const std::string& version) {
  auto* status = app.add_subcommand("status", "Show the node: workers, slots, tasks by type and state, storage.");
  status->callback([&context] { context.action = [&context] { return show_status(context); }; });

  auto* health = app.add_subcommand(
      "health", "For load balancers and probes: status 0 if the node at --endpoint (name one) is so, else 16 and why.");
  health->require_subcommand(1);
  const auto ask = [&](const char* name, const char* help, core::health_question question) {
    health->add_subcommand(name, help)->callback([&context, question] {
      context.action = [&context, question] { return show_health(context, question); };
    });
  };
  ask("live", "It answers.", core::health_question::live);
  ask("ready", "It serves: it leads, knows who does, or stands alone.", core::health_question::ready);
  ask("leader", "Changes are taken here.", core::health_question::leader);

  auto* debug = app.add_subcommand("debug", "Look inside a node.");
  debug->require_subcommand(1);
  auto* checking = debug->add_subcommand("check", "Prove the node's tables consistent; status 20 if they are not.");
  checking->callback([&context] { context.action = [&context] { return check(context); }; });

  auto* telling = app.add_subcommand("version", "Print the version.");
  telling->callback([&context, version] {
    context.action = [&context, version] {
      if (context.out.is_table())
        context.out.print_line("hivectl " + version);
      else
        context.out.print_value({{"program", "hivectl"}, {"version", version}});
      return 0;
    };
  });
}

}  // namespace hive::hivectl
