#include "core/check.hpp"

#include "core/check_run.hpp"

namespace hive::core {
namespace views {

std::string check_run::row_name(table where, std::string_view at) {
  constexpr std::size_t shown_max = 32;
  std::string text = "table " + std::string{table_names[static_cast<std::size_t>(where)]} + ", key ";
  for (const char character : at.substr(0, shown_max)) {
    const auto byte = static_cast<unsigned char>(character);
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

void collect_timers(check_run& run) {
  constexpr std::size_t timer_key_bytes = 17;
  run.tables.scan(table::timer, "", [&](std::string_view at, std::string_view value) {
    const auto kind = static_cast<timer_kind>(at.size() == timer_key_bytes ? at[8] : 0);
    switch (kind) {
      case timer_kind::total_timeout:  // of a step: counts from the start of its plan
      case timer_kind::retention:
      case timer_kind::plan_sweep:
      case timer_kind::plan_upload:
      case timer_kind::release:
      case timer_kind::event_retention:
      case timer_kind::worker_retention:
        run.timers[{kind, read_u64(at, 9)}] = value;
        break;
      case timer_kind::ready:
      case timer_kind::queue_timeout:
      case timer_kind::run_timeout:
      case timer_kind::cancel_grace:
      case timer_kind::plan_deadline:
        break;
      default:
        run.violate(check_run::row_name(table::timer, at) + ": not a timer that this version knows");
    }
    return !run.is_full();
  });
}

void check_workers(check_run& run) {
  run.for_each<v1::Worker>(table::worker, [&](std::string_view at, const v1::Worker& worker) {
    const std::string subject = to_string(worker_id{read_u64(at, 0)});
    run.response.set_workers(run.response.workers() + 1);
    run.expect(worker.id() == read_u64(at, 0), subject, "its record names another id");
    run.expect(worker.state() >= v1::WORKER_STATE_ACTIVE && worker.state() <= v1::WORKER_STATE_GONE, subject,
               "its state is unknown");
    run.expect(worker.session() > 0, subject, "it has no session number");
    const bool has_ended = worker.state() == v1::WORKER_STATE_LOST || worker.state() == v1::WORKER_STATE_GONE;
    run.expect(has_ended == (worker.ended_unix_ms() != 0), subject, "state and ended_unix_ms contradict each other");
    run.expect(!has_ended || run.timers.count({timer_kind::worker_retention, worker.id()}) != 0, subject,
               "has ended without a timer for its purge");
    const auto named = run.tables.get(table::worker_name, worker.spec().name());
    run.expect(named && read_u64(*named, 0) == worker.id(), subject, "its name does not lead to it");
    ++run.counted[std::string{"w"} + static_cast<char>(worker.state())];
  });
  run.tables.scan(table::worker_name, "", [&](std::string_view name, std::string_view value) {
    const auto worker = read_worker(run.tables, read_u64(value, 0));
    run.expect(worker && worker->spec().name() == name, "worker name '" + std::string{name} + "'",
               "leads to no worker of that name");
    return !run.is_full();
  });
}

void check_events_and_meta(check_run& run) {
  const auto meta = [&](std::string_view name) {
    const auto value = run.tables.get(table::meta, name);
    return value ? read_u64(*value, 0) : 0;
  };
  std::uint64_t expected = 0;
  run.for_each<v1::Event>(table::event, [&](std::string_view at, const v1::Event& event) {
    const auto seq = read_u64(at, 0);
    run.response.set_events(run.response.events() + 1);
    if (event.seq() != seq) run.violate("event " + std::to_string(seq) + ": its record says another sequence");
    if (expected != 0 && seq != expected) {
      run.violate("events " + std::to_string(expected) + " to " + std::to_string(seq - 1) + " are missing");
    }
    if (expected == 0 && meta("first_event") != 0 && meta("first_event") != seq) {
      run.violate("the first event is " + std::to_string(seq) + ", but meta first_event says " +
                  std::to_string(meta("first_event")));
    }
    expected = seq + 1;
  });
  if (expected != 0 && meta("next_event") != expected) {
    run.violate("the last event is " + std::to_string(expected - 1) + ", but meta next_event says " +
                std::to_string(meta("next_event")));
  }
  const auto check_next = [&](table where, const char* name, std::uint64_t sequence_mask, std::size_t width) {
    run.tables.scan_back(where, "", [&](std::string_view at, std::string_view) {
      const auto last = read_number(at, 0, width) & sequence_mask;
      if (meta(name) <= last) {
        run.violate(check_run::row_name(where, at) + ": at or beyond meta " + name + ", " + std::to_string(meta(name)));
      }
      return false;
    });
  };
  constexpr std::uint64_t id_mask = (1ULL << id_sequence_bits) - 1;
  check_next(table::task_status, "next_task", id_mask, 8);
  check_next(table::worker, "next_worker", id_mask, 8);
  check_next(table::signature, "next_signature", ~0ULL, 4);
}

void check_counters(check_run& run) {
  run.tables.scan(table::counter, "", [&](std::string_view name, std::string_view value) {
    const auto stored = static_cast<std::int64_t>(read_u64(value, 0));
    const auto entry = run.counted.find(name);
    const auto counted = entry == run.counted.end() ? 0 : entry->second;
    if (stored != counted) {
      run.violate(check_run::row_name(table::counter, name) + ": says " + std::to_string(stored) + ", counted are " +
                  std::to_string(counted));
    }
    if (entry != run.counted.end()) run.counted.erase(entry);
    return !run.is_full();
  });
  for (const auto& [name, counted] : run.counted) {
    if (counted == 0) continue;
    run.violate(check_run::row_name(table::counter, name) + ": is missing, counted are " + std::to_string(counted));
  }
}

}  // namespace views

v1::CheckResponse check(const table_reader& tables) {
  using namespace views;
  v1::CheckResponse response;
  check_run run{tables, response};
  const auto applied = tables.get(table::meta, "applied_time");
  run.applied_time = applied ? static_cast<std::int64_t>(read_u64(*applied, 0)) : 0;
  try {
    collect_timers(run);
    check_plans(run);
    check_tasks(run);
    check_task_rows(run);
    check_workers(run);
    check_events_and_meta(run);
    if (!run.is_full()) check_counters(run);
  } catch (const table_error& failure) {
    // A record that a look-up came across; the scans report their own.
    run.violate(failure.what());
  }
  return response;
}

}  // namespace hive::core
