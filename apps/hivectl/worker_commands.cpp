#include "apps/hivectl/session.hpp"

namespace hive::hivectl {
namespace {

std::string joined(const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

std::vector<std::string> worker_row(const v1::Worker& worker) {
  return {to_string(worker_id{worker.id()}),
          worker.spec().name(),
          name_of(worker.state()),
          std::to_string(worker.slots_used()) + "/" + std::to_string(worker.spec().slots()),
          worker.spec().role(),
          joined(worker.spec().capabilities()),
          elapsed(worker.last_heartbeat_unix_ms())};
}

int list_workers(session& context, bool is_active_only, std::uint32_t limit) {
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  constexpr std::uint32_t page_max = 1000;
  v1::ListWorkersRequest request;
  request.set_active_only(is_active_only);
  v1::ListWorkersResponse all;
  while (static_cast<std::uint32_t>(all.workers_size()) < limit) {
    request.set_limit(std::min(page_max, limit - static_cast<std::uint32_t>(all.workers_size())));
    const auto page = connection->list_workers(request);
    if (!page) return fail(context, page.failure());
    all.mutable_workers()->MergeFrom(page->workers());
    all.set_next_after_id(page->next_after_id());
    if (page->next_after_id() == 0) break;
    request.set_after_id(page->next_after_id());
  }
  if (!context.out.is_table()) {
    context.out.print(all);
    return 0;
  }
  table rows{{"ID", "NAME", "STATE", "SLOTS", "ROLE", "CAPABILITIES", "HEARTBEAT"}, {}};
  for (const v1::Worker& worker : all.workers()) rows.rows.push_back(worker_row(worker));
  context.out.print(rows);
  return 0;
}

int get_worker(session& context, const std::string& text) {
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto worker = find_worker(*connection, text);
  if (!worker) return fail(context, worker.failure());
  if (!context.out.is_table()) {
    context.out.print(*worker);
    return 0;
  }
  std::string labels;
  for (const v1::Label& label : worker->spec().labels())
    labels += (labels.empty() ? "" : ", ") + label.key() + "=" + label.value();
  context.out.print_fields(
      {{"id", to_string(worker_id{worker->id()})},
       {"name", worker->spec().name()},
       {"state", name_of(worker->state())},
       {"role", worker->spec().role()},
       {"slots", std::to_string(worker->slots_used()) + " of " + std::to_string(worker->spec().slots()) + " used" +
                     (worker->tasks_ahead() > 0 ? ", " + std::to_string(worker->tasks_ahead()) + " tasks assigned ahead"
                                                : std::string{})},
       {"capabilities", joined(worker->spec().capabilities())},
       {"types", worker->spec().task_types().empty() ? "any" : joined(worker->spec().task_types())},
       {"labels", labels},
       {"connected", worker->is_connected() ? "yes" : "no"},
       {"registered", short_time(worker->registered_unix_ms())},
       {"heartbeat", elapsed(worker->last_heartbeat_unix_ms()) + " ago"},
       {"ended", worker->ended_unix_ms() > 0 ? short_time(worker->ended_unix_ms()) : ""}});
  return 0;
}

int drain_worker(session& context, const std::string& text, bool is_undone) {
  const auto connection = context.connection();
  if (!connection) return context.failed_status;
  const auto worker = find_worker(*connection, text);
  if (!worker) return fail(context, worker.failure());
  const worker_id id{worker->id()};
  const auto state = connection->drain_worker(id, is_undone);
  if (!state) return fail(context, state.failure());
  if (context.out.is_table()) {
    context.out.print_line(to_string(id) + "  " + context.out.colored_state(name_of(*state)));
  } else {
    context.out.print_value({{"id", to_string(id)}, {"state", name_of(*state)}});
  }
  return 0;
}

}  // namespace

result<v1::Worker> find_worker(client& connection, const std::string& text) {
  const auto id = parse_worker_id(text);
  return id ? connection.get_worker(*id) : connection.get_worker(text);
}

result<worker_id> find_worker_id(client& connection, const std::string& text) {
  if (auto id = parse_worker_id(text)) return id;
  const auto worker = connection.get_worker(text);
  if (!worker) return worker.failure();
  return worker_id{worker->id()};
}

void add_worker_commands(CLI::App& app, session& context) {
  auto* workers = app.add_subcommand("worker", "See and drain workers.");
  workers->require_subcommand(1);

  auto* list = workers->add_subcommand("list", "List workers.");
  auto is_active_only = std::make_shared<bool>(false);
  auto limit = std::make_shared<std::uint32_t>(100);
  list->add_flag("--active", *is_active_only, "Leave out the lost and the gone");
  list->add_option("--limit", *limit, "At most so many (default 100)")->check(CLI::Range(1, 1'000'000));
  list->callback([&context, is_active_only, limit] {
    context.action = [&context, is_active_only, limit] { return list_workers(context, *is_active_only, *limit); };
  });

  auto* get = workers->add_subcommand("get", "Show one worker.");
  auto shown = std::make_shared<std::string>();
  get->add_option("worker", *shown, "Id or name")->required();
  get->callback([&context, shown] { context.action = [&context, shown] { return get_worker(context, *shown); }; });

  auto* drain = workers->add_subcommand("drain", "Give a worker nothing new; it finishes what it has.");
  auto drained = std::make_shared<std::string>();
  auto is_undone = std::make_shared<bool>(false);
  drain->add_option("worker", *drained, "Id or name")->required();
  drain->add_flag("--undo", *is_undone, "Give it work again");
  drain->callback([&context, drained, is_undone] {
    context.action = [&context, drained, is_undone] { return drain_worker(context, *drained, *is_undone); };
  });
}

}  // namespace hive::hivectl
