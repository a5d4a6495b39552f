#include "actors/batch_writer.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "config/logging.hpp"
#include "core/limit_rules.hpp"

namespace hive {
namespace {

using steady = std::chrono::steady_clock;

/// Slots offered by one command: bounds what one command adds to a batch.
constexpr std::uint32_t offer_slots_max = 32;
/// What an assignment costs besides payload and inputs.
constexpr std::uint64_t assignment_overhead_bytes = 256;

/// While a batch is written.
class write_mark {
 public:
  write_mark(service_context& context, steady::time_point now) : context_(context) { context_.writing_since = now; }
  ~write_mark() { context_.writing_since = steady::time_point{}; }
  write_mark(const write_mark&) = delete;
  write_mark& operator=(const write_mark&) = delete;

 private:
  service_context& context_;
};

std::uint64_t size_of(const core::assignment& value) {
  std::uint64_t bytes = assignment_overhead_bytes + value.message.spec().payload().size();
  for (const auto& input : value.message.inputs()) bytes += input.result().payload().size();
  return bytes;
}

}  // namespace

v1::Outcome storage_full() {
  v1::Outcome outcome;
  *outcome.mutable_status() =
      to_status({errc::resource_exhausted, "the store is full: new work is refused until tasks are purged", {}});
  return outcome;
}

bool is_new_work(const v1::Command& command) {
  switch (command.body_case()) {
    case v1::Command::kCreateTask:
    case v1::Command::kBeginPlan:
    case v1::Command::kAppendSteps:
    case v1::Command::kCommitPlan:
    case v1::Command::kCreatePlan:
    case v1::Command::kPublishEvent:
      return true;
    default:
      return false;
  }
}

batch_writer::batch_writer(service_context_ptr context) : context_(std::move(context)), machine_(context_->limits) {}

result<void> batch_writer::load() {
  const auto snapshot = context_->store->read();
  auto loaded = machine_.load(*snapshot);
  is_loaded_ = loaded.has_value();
  if (is_loaded_) next_due_unix_ms_ = machine_.next_due_unix_ms(*snapshot);
  return loaded;
}

std::int64_t batch_writer::stamp() {
  last_time_ = std::max(last_time_, context_->now_unix_ms());
  return last_time_;
}

bool batch_writer::write(std::span<pending_write> batch, core::effects& out) {
  const bool was_behind = has_more_;
  has_more_ = false;
  auto done = attempt(batch, out, context_->store->is_nearly_full());
  if (!done && done.failure().code == errc::resource_exhausted) done = attempt(batch, out, true);
  if (done) return true;
  has_more_ = was_behind;
  const error failure = done.failure();
  config::logger("ledger")->error("batch of {} requests failed: {}", batch.size(), to_string(failure));
  if (context_->probe != nullptr) context_->probe->batch_failed(failure.code);
  if (batch.size() > 1 && failure.code == errc::internal) return write_one_by_one(batch, out);
  for (auto& entry : batch) entry.failure = failure;
  return false;
}

bool batch_writer::write_one_by_one(std::span<pending_write> batch, core::effects& out) {
  bool is_any_durable = false;
  bool is_behind = has_more_;
  for (auto& entry : batch) {
    core::effects own;
    auto single = attempt({&entry, 1}, own, context_->store->is_nearly_full());
    is_behind |= has_more_;  // the next attempt may forget it
    if (!single) {
      entry.failure = single.failure();
      continue;
    }
    is_any_durable = true;
    std::move(own.events.begin(), own.events.end(), std::back_inserter(out.events));
    std::move(own.assignments.begin(), own.assignments.end(), std::back_inserter(out.assignments));
    out.revocations.insert(out.revocations.end(), own.revocations.begin(), own.revocations.end());
    out.freed_slots.insert(out.freed_slots.end(), own.freed_slots.begin(), own.freed_slots.end());
  }
  has_more_ = is_behind;
  return is_any_durable;
}

result<void> batch_writer::attempt(std::span<pending_write> batch, core::effects& out, bool is_refusing_new_work) {
  if (!is_loaded_) {
    if (auto loaded = load(); !loaded) return loaded;
  }
  const auto started = steady::now();
  const write_mark mark(*context_, started);
  auto applied = started;
  std::size_t commands = 0;
  std::int64_t due = -1;
  book_.begin();
  try {
    const auto transaction = context_->store->write();
    apply_all(batch, out, *transaction, is_refusing_new_work);
    offer_slots(out, *transaction);
    machine_.flush(*transaction);
    due = machine_.next_due_unix_ms(*transaction);
    applied = steady::now();
    if (auto committed = transaction->commit(); !committed) {
      abort_batch(out);
      return committed;
    }
  } catch (const core::table_error& problem) {
    abort_batch(out);
    return error{problem.code(), problem.what(), {}};
  } catch (const std::exception& problem) {
    abort_batch(out);
    return error{errc::internal, std::string("applying commands: ") + problem.what(), {}};
  }
  next_due_unix_ms_ = due;
  for (const auto& entry : batch) commands += entry.request->commands.size();
  if (context_->probe != nullptr)
    context_->probe->batch_committed(commands, applied - started, steady::now() - applied);
  publish_sessions(batch);
  return {};
}

void batch_writer::apply_all(std::span<pending_write> batch, core::effects& out, core::table_transaction& tables,
                             bool is_refusing_new_work) {
  const std::int64_t now = stamp();
  if (!machine_.are_limits_stored() || machine_.limits() != context_->limits) {
    v1::Command command;
    command.set_time_unix_ms(now);
    *command.mutable_set_limits() = core::set_limits(context_->limits);
    machine_.apply(command, tables, out);
  }
  for (auto& entry : batch) {
    if (const auto& wish = entry.request->prefetch) book_.set_prefetch(wish->worker, wish->session, wish->tasks);
    entry.outcomes.clear();
    entry.outcomes.reserve(entry.request->commands.size());
    for (auto& command : entry.request->commands) {
      if (is_refusing_new_work && is_new_work(command)) {
        entry.outcomes.push_back(storage_full());
        continue;
      }
      command.set_time_unix_ms(now);
      const std::size_t freed_before = out.freed_slots.size();
      entry.outcomes.push_back(machine_.apply(command, tables, out));
      // First what came free: a new session then starts from what it keeps.
      release_from(out, freed_before);
      account_session(book_, *entry.request, command, entry.outcomes.back());
    }
  }
}

void batch_writer::release_from(const core::effects& out, std::size_t first) {
  for (std::size_t i = first; i < out.freed_slots.size(); ++i) book_.release(out.freed_slots[i]);
}

void account_session(credit_book& book, const ledger_request& request, const v1::Command& command,
                     const v1::Outcome& outcome) {
  if (!is_ok(outcome.status())) return;
  switch (command.body_case()) {
    case v1::Command::kRegisterWorker: {
      const v1::Worker& worker = outcome.worker();
      if (request.session_actor) {
        book.open({worker.id()}, {worker.session()}, worker.spec().slots(),
                  static_cast<std::uint32_t>(outcome.kept_size()), worker.state() == v1::WORKER_STATE_ACTIVE);
      } else {
        book.close({worker.id()});
      }
      return;
    }
    case v1::Command::kEndWorker:
      book.close({command.end_worker().worker_id()});
      return;
    case v1::Command::kDrainWorker:
      book.set_accepting({command.drain_worker().worker_id()}, command.drain_worker().undrain());
      return;
    default:
      return;
  }
}

void batch_writer::offer_slots(core::effects& out, core::table_transaction& tables) {
  const auto& limits = context_->config.ledger;
  std::set<worker_id> satisfied;  // took less than was offered: nothing fits them any more
  std::uint64_t bytes = 0;
  std::uint64_t leased = 0;
  const auto is_wanted = [&](worker_id worker) {
    return !satisfied.contains(worker) && machine_.has_ready_for(worker);
  };
  while (machine_.ready_count() > 0) {
    if (leased >= limits.batch_commands_max || bytes >= limits.batch_bytes_max) {
      has_more_ = true;
      return;
    }
    const std::uint64_t wanted = std::min<std::uint64_t>(machine_.ready_count(), limits.batch_commands_max - leased);
    const auto offers = book_.plan(wanted, offer_slots_max, is_wanted);
    if (offers.empty()) return;
    for (const auto& offer : offers) {
      v1::Command command;
      command.set_time_unix_ms(last_time_);
      command.mutable_offer_slots()->set_worker_id(offer.worker.value);
      command.mutable_offer_slots()->set_session(offer.session.value);
      command.mutable_offer_slots()->set_slots(offer.slots);
      const std::size_t first = out.assignments.size();
      const std::size_t freed_before = out.freed_slots.size();
      const v1::Outcome outcome = machine_.apply(command, tables, out);
      const std::uint32_t count = is_ok(outcome.status()) ? outcome.count() : 0;
      book_.take(offer.worker, count);
      release_from(out, freed_before);
      if (count < offer.slots) satisfied.insert(offer.worker);
      leased += count;
      for (std::size_t i = first; i < out.assignments.size(); ++i) bytes += size_of(out.assignments[i]);
      if (bytes >= limits.batch_bytes_max) break;
    }
  }
}

void batch_writer::abort_batch(core::effects& out) {
  out.clear();
  book_.rollback();
  has_more_ = false;
  is_loaded_ = false;  // what the machine cached may be ahead of the tables
  if (auto loaded = load(); !loaded) {
    config::logger("ledger")->critical("cannot reload the tables: {}", to_string(loaded.failure()));
  }
}

void open_sessions(session_table& sessions, std::span<const pending_write> batch) {
  for (const auto& entry : batch) {
    if (!entry.request->session_actor) continue;
    for (const auto& outcome : entry.outcomes) {
      if (!is_ok(outcome.status()) || !outcome.has_worker()) continue;
      sessions.open({outcome.worker().id()}, {outcome.worker().session()}, entry.request->session_actor,
                    outcome.worker().spec().slots());
    }
  }
}

void batch_writer::publish_sessions(std::span<pending_write> batch) {
  open_sessions(*context_->sessions, batch);
  for (const worker_id worker : book_.touched()) {
    if (const auto figures = book_.find(worker)) context_->sessions->set_used(worker, figures->used);
  }
}

}  // namespace hive
