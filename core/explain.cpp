#include <algorithm>

#include "core/queries.hpp"
#include "core/record_reader.hpp"
#include "core/time_text.hpp"
#include "core/worker_fit.hpp"

namespace hive::core {

using namespace views;

namespace {

constexpr std::uint64_t tasks_ahead_max = 10'000;
constexpr std::size_t unmet_named_max = 10;

// What one explanation is about.
struct subject {
  const table_reader& tables;
  task_id id;
  const v1::TaskStatus& status;
  std::int64_t now;
  v1::ExplainTaskResponse& answer;

  void sum_up(std::string text) const { answer.set_summary(std::move(text)); }
  void add(std::string text) const { *answer.add_details() = std::move(text); }
};

std::string plural(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

// ": boom", or nothing.
std::string colon_text(const std::string& text) { return text.empty() ? "" : ": " + text; }

std::string worker_name(const table_reader& tables, std::uint64_t id) {
  const auto worker = read_worker(tables, id);
  return worker ? "'" + worker->spec().name() + "'" : to_string(worker_id{id});
}

void explain_scheduled(const subject& on) {
  const auto due = on.status.due_unix_ms();
  const std::string until = format_time(due) + " (" + format_wait(due, on.now) + ")";
  if (on.status.reason() == v1::REASON_RETRY_BACKOFF) {
    on.sum_up("Backs off after attempt " + std::to_string(on.status.attempt()) + " failed; it is queued again at " +
              until + ".");
    if (!on.status.reason_text().empty()) on.add("The last attempt ended with: " + on.status.reason_text());
    const auto spec = read_spec(on.tables, on.id.value);
    const auto attempts = spec ? spec->retry().max_attempts() : 0;
    on.add(plural(on.status.failures(), "failure") +
           (attempts == 0 ? std::string{} : " of " + std::to_string(attempts) + " allowed") + " so far.");
  } else if (on.status.reason() == v1::REASON_LEASE_RETURNED) {
    on.sum_up("Its worker gave it back; it is queued again at " + until + ".");
    if (!on.status.reason_text().empty()) on.add("The worker said: " + on.status.reason_text());
  } else {
    on.sum_up("Not to be started before " + until + ".");
  }
  if (due <= on.now) on.add("That time has passed: it is queued with the next tick of the clock.");
}

void explain_blocked(const subject& on) {
  const auto plan = read_plan(on.tables, on.status.plan_id());
  const std::string plan_name = plan ? "'" + plan->name() + "'" : to_string(plan_id{on.status.plan_id()});
  const auto plan_status = read_plan_status(on.tables, on.status.plan_id());
  if (on.status.reason() == v1::REASON_PLAN_PAUSED) {
    on.sum_up("Ready to run, but its plan " + plan_name + " is paused.");
    on.add("Resume the plan to have it queued.");
    return;
  }
  const auto step = read_step(on.tables, on.status.plan_id(), on.status.step_index());
  std::vector<std::string> named;
  std::uint32_t unmet = 0;
  for (int i = 0; step && plan && i < step->needs_size(); ++i) {
    const auto need_id = plan->first_step_task_id() + step->needs(i);
    const auto need = read_status(on.tables, need_id);
    if (need && need->state() == v1::TASK_STATE_COMPLETED) continue;
    ++unmet;
    if (!need || named.size() == unmet_named_max) continue;
    const auto need_step = read_step(on.tables, on.status.plan_id(), step->needs(i));
    named.push_back("'" + (need_step ? need_step->name() : to_string(task_id{need_id})) + "' (" +
                    name_of(need->state()) + ")");
  }
  if (unmet == 0) {
    on.sum_up("All steps that it needs have ended; it moves on with the next tick of the clock.");
  } else {
    const auto hidden = unmet - named.size();
    if (hidden > 0) named.push_back(std::to_string(hidden) + " more");
    on.sum_up("Waits for " + plural(unmet, "step") + " of its plan " + plan_name + ": " + join(named) + ".");
  }
  if (plan_status && plan_status->state() != v1::PLAN_STATE_RUNNING) {
    on.add("Its plan is " + name_of(plan_status->state()) + colon_text(plan_status->reason_text()) + ".");
  }
  if (on.status.is_upstream_failed()) {
    on.add("A step that it needs did not complete: it will be skipped as soon as the others have ended.");
  }
}

std::uint64_t count_ahead(const subject& on) {
  const key own = key{}.u32(on.status.signature_id()).inverted_priority(on.status.priority()).u64(on.id.value);
  std::uint64_t ahead = 0;
  on.tables.scan_back(table::ready, own, [&](std::string_view entry, std::string_view) {
    if (read_u32(entry, 0) != on.status.signature_id()) return false;
    return ++ahead < tasks_ahead_max;
  });
  return ahead;
}

// No worker that is present fits.
void explain_no_fit(const subject& on, const worker_fit& fit) {
  std::vector<std::string> absent;
  if (fit.lost > 0) absent.push_back(std::to_string(fit.lost) + " lost");
  if (fit.gone > 0) absent.push_back(std::to_string(fit.gone) + " deregistered");
  if (!absent.empty()) {
    on.sum_up("Every worker that could run it is away: " + join(absent) + ".");
  } else if (fit.present == 0) {
    on.sum_up("No worker is registered.");
  } else if (!fit.missing_everywhere.empty()) {
    on.sum_up("No worker is registered that has " + join(fit.missing_everywhere) + ".");
  } else {
    on.sum_up("No worker is registered that has all it asks for.");
  }
  if (!fit.closest_name.empty()) {
    on.add("The closest of " + plural(fit.present, "registered worker") + " is '" + fit.closest_name + "'; it lacks " +
           join(fit.closest_lacks) + ".");
  }
}

// Workers fit, but none of them takes work now.
void explain_no_ready_fit(const subject& on, const worker_fit& fit) {
  std::vector<std::string> counts;
  if (fit.draining > 0) counts.push_back(std::to_string(fit.draining) + " draining");
  if (fit.disconnected > 0) counts.push_back(std::to_string(fit.disconnected) + " not connected");
  if (fit.without_slots > 0) counts.push_back(std::to_string(fit.without_slots) + " without slots");
  if (fit.lost > 0) counts.push_back(std::to_string(fit.lost) + " lost");
  const auto total = fit.draining + fit.disconnected + fit.without_slots + fit.lost;
  on.sum_up(plural(total, "worker") + (total == 1 ? " fits" : " fit") + ", but none takes work: " + join(counts) + ".");
}

void explain_queued(const subject& on, const std::function<worker_liveness(worker_id)>& liveness) {
  const auto ahead = count_ahead(on);
  on.answer.set_tasks_ahead(ahead);
  const auto signature = read_signature(on.tables, on.status.signature_id());
  const auto fit = signature ? assess_workers(on.tables, *signature, liveness) : worker_fit{};
  if (fit.ready > 0 && fit.slots_free == 0) {
    on.sum_up("Waits for a free slot: " + plural(fit.ready, "worker") + (fit.ready == 1 ? " fits, " : " fit, ") +
              plural(fit.slots, "slot") + (fit.slots == 1 ? ", busy." : ", all busy."));
  } else if (fit.ready > 0) {
    on.sum_up("About to be handed out: " + plural(fit.ready, "worker") + (fit.ready == 1 ? " fits, " : " fit, ") +
              std::to_string(fit.slots_free) + " of " + plural(fit.slots, "slot") + " free.");
  } else if (fit.draining + fit.disconnected + fit.without_slots > 0) {
    explain_no_ready_fit(on, fit);
  } else {
    explain_no_fit(on, fit);
  }
  if (!fit.unavailable_names.empty()) on.add("Fitting but not available: " + join(fit.unavailable_names) + ".");
  if (ahead > 0) {
    on.add((ahead == tasks_ahead_max ? "At least " : "") + plural(ahead, "task") +
           (ahead == 1 ? " that asks for the same goes" : " that ask for the same go") +
           " first (higher priority, or older).");
  }
  if (on.status.plan_id() != 0) {
    const auto plan = read_plan_status(on.tables, on.status.plan_id());
    if (plan && plan->state() != v1::PLAN_STATE_RUNNING) {
      on.add("Its plan is " + name_of(plan->state()) + ": it is not handed out meanwhile.");
    }
  }
  if (on.status.reason() != v1::REASON_WAITS_FOR_WORKER) {
    on.add("It was queued again: " + name_of(on.status.reason()) + colon_text(on.status.reason_text()) + ".");
  }
  on.add("Queued since " + format_time(on.status.queued_unix_ms()) + ".");
}

void explain_held(const subject& on) {
  const auto attempt_text = "attempt " + std::to_string(on.status.attempt());
  const bool is_leased = on.status.state() == v1::TASK_STATE_LEASED;
  if (on.status.is_plan_parent()) {
    on.sum_up("Runs as the parent of a plan and ends with it.");
    if (const auto plan = read_plan_status(on.tables, on.id.value)) {
      const auto spec = read_plan(on.tables, on.id.value);
      on.add("The plan is " + name_of(plan->state()) + ": " + std::to_string(plan->steps_final()) + " of " +
             plural(spec ? spec->step_count() : 0, "step") + " have ended.");
    }
    return;
  }
  const std::string holder = on.status.worker_id() == 0 ? std::string{"a client, by hand"}
                                                        : "worker " + worker_name(on.tables, on.status.worker_id());
  if (on.status.cancel_requested()) {
    const auto due = on.status.due_unix_ms();
    on.sum_up("Asked to stop; ends canceled when " + holder + " confirms, at the latest at " + format_time(due) + " (" +
              format_wait(due, on.now) + ").");
    if (!on.status.reason_text().empty()) on.add("The request says: " + on.status.reason_text());
    return;
  }
  if (is_leased) {
    on.sum_up("Assigned to " + holder + " (" + attempt_text + ") since " + format_time(on.status.leased_unix_ms()) +
              "; it has not said that it started.");
  } else if (on.status.worker_id() == 0) {
    on.sum_up("Driven by " + holder + " (" + attempt_text + ") since " + format_time(on.status.started_unix_ms()) +
              ".");
  } else {
    on.sum_up("Running on " + holder + " (" + attempt_text + ") since " + format_time(on.status.started_unix_ms()) +
              ".");
  }
  if (on.status.progress_ppm() > 0 || !on.status.progress_message().empty()) {
    constexpr std::uint32_t ppm_a_percent = 10'000;
    on.add("Progress: " + std::to_string(on.status.progress_ppm() / ppm_a_percent) + " %" +
           colon_text(on.status.progress_message()) + ".");
  }
  const auto spec = read_spec(on.tables, on.id.value);
  if (spec && spec->timeouts().run_ms() > 0) {
    on.add("The attempt may take " + std::to_string(spec->timeouts().run_ms()) + " ms from its lease.");
  }
}

void explain_final(const subject& on) {
  const std::string when = format_time(on.status.finished_unix_ms());
  const std::string why = " (" + name_of(on.status.reason()) + ")" + colon_text(on.status.reason_text()) + ".";
  switch (on.status.state()) {
    case v1::TASK_STATE_COMPLETED:
      on.sum_up("Completed at " + when + " with attempt " + std::to_string(on.status.attempt()) + ".");
      return;
    case v1::TASK_STATE_FAILED:
      on.sum_up("Failed at " + when + why);
      on.add(plural(on.status.attempt(), "attempt") + " made, " + plural(on.status.failures(), "failure") + ".");
      break;
    case v1::TASK_STATE_CANCELED:
      on.sum_up("Canceled at " + when + why);
      break;
    default:
      on.sum_up("Skipped at " + when + why);
      break;
  }
  if (on.status.plan_id() != 0) {
    on.add("It is a step: retry its plan to run it again.");
  } else {
    on.add(on.status.is_plan_parent() ? "Retry the plan to go on; completed steps keep their results."
                                      : "Retry it to run it again.");
  }
}

}  // namespace

result<v1::ExplainTaskResponse> explain_task(const table_reader& tables, task_id id, std::int64_t now_unix_ms,
                                             const std::function<worker_liveness(worker_id)>& liveness) {
  const auto status = read_status(tables, id.value);
  if (!status || !is_visible_task(tables, id.value, *status)) return no_such_task(id);
  v1::ExplainTaskResponse answer;
  answer.set_state(status->state());
  answer.set_reason(status->reason());
  answer.set_due_unix_ms(status->due_unix_ms());
  const subject on{tables, id, *status, now_unix_ms, answer};
  switch (status->state()) {
    case v1::TASK_STATE_SCHEDULED:
      explain_scheduled(on);
      break;
    case v1::TASK_STATE_BLOCKED:
      explain_blocked(on);
      break;
    case v1::TASK_STATE_QUEUED:
      explain_queued(on, liveness);
      break;
    case v1::TASK_STATE_LEASED:
    case v1::TASK_STATE_RUNNING:
      explain_held(on);
      break;
    default:
      explain_final(on);
      break;
  }
  return answer;
}

}  // namespace hive::core
