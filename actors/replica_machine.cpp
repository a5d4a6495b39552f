#include "actors/replica_machine.hpp"

#include <algorithm>
#include <map>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include "core/keys.hpp"
#include "core/limit_rules.hpp"
#include "hive/v1/replication.pb.h"

namespace hive {
namespace {

/// Slots offered to a worker before the next one has its turn.
constexpr std::uint32_t offer_slots_max = 32;
/// Who proposed it (a start of a node) and its number there stand before the commands.
constexpr std::size_t head_bytes = 16;

void write_command(google::protobuf::io::CodedOutputStream& out, const v1::Command& command) {
  using google::protobuf::internal::WireFormatLite;
  WireFormatLite::WriteTag(v1::CommandBatch::kCommandsFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED, &out);
  out.WriteVarint32(static_cast<std::uint32_t>(command.ByteSizeLong()));
  command.SerializeWithCachedSizes(&out);
}

std::uint64_t count_creates(const std::vector<pending_write>& batch) {
  std::uint64_t count = 0;
  for (const auto& write : batch) {
    for (const auto& command : write.request->commands) count += command.has_create_task() ? 1 : 0;
  }
  return count;
}

}  // namespace

replica_machine::replica_machine(service_context_ptr context)
    : context_(std::move(context)), machine_(context_->limits) {}

result<void> replica_machine::load() {
  effects_.clear();
  const auto snapshot = context_->store->read();
  if (auto loaded = machine_.load(*snapshot); !loaded) return loaded;
  next_due_unix_ms_ = machine_.next_due_unix_ms(*snapshot);
  return {};
}

void replica_machine::begin(core::table_transaction& tables) {
  tables_ = &tables;
  effects_.clear();
  applied_commands_ = 0;
  book_.begin();
}

void replica_machine::flush() {
  if (applied_commands_ == 0) return;
  machine_.flush(*tables_);
  next_due_unix_ms_ = machine_.next_due_unix_ms(*tables_);
}

std::int64_t replica_machine::stamp() {
  last_time_ = std::max(last_time_, context_->now_unix_ms());
  return last_time_;
}

v1::Outcome replica_machine::apply_one(const v1::Command& command) {
  last_time_ = std::max(last_time_, command.time_unix_ms());
  ++applied_commands_;
  return machine_.apply(command, *tables_, effects_);
}

void replica_machine::apply(replication::log_index index, const replication::log_entry& entry) {
  if (entry.payload.size() < head_bytes)
    throw core::table_error{errc::data_loss, "entry " + std::to_string(index) + " of the log is cut"};
  const bool is_own = number_ != 0 && core::read_u64(entry.payload, 0) == context_->incarnation &&
                      core::read_u64(entry.payload, 8) == number_;
  return is_own ? apply_own() : apply_foreign(entry.payload);
}

void replica_machine::apply_foreign(const std::string& payload) {
  v1::CommandBatch batch;
  if (!batch.ParseFromArray(payload.data() + head_bytes, static_cast<int>(payload.size() - head_bytes)))
    throw core::table_error{errc::data_loss, "commands of the log cannot be read"};
  for (const auto& command : batch.commands()) apply_one(command);
}

void replica_machine::apply_own() {
  const auto release_from = [this](std::size_t first) {
    for (std::size_t i = first; i < effects_.freed_slots.size(); ++i) book_.release(effects_.freed_slots[i]);
  };
  if (limits_command_) apply_one(*limits_command_);
  if (!writes_.empty()) satisfied_.clear();
  for (std::size_t w = 0; w < writes_.size(); ++w) {
    auto& write = writes_[w];
    if (const auto& wish = write.request->prefetch) book_.set_prefetch(wish->worker, wish->session, wish->tasks);
    for (std::size_t i = 0; i < write.request->commands.size(); ++i) {
      if (is_refused_[w][i]) continue;
      const auto& command = write.request->commands[i];
      const std::size_t freed_before = effects_.freed_slots.size();
      write.outcomes[i] = apply_one(command);
      // First what came free: a new session then starts from what it keeps.
      release_from(freed_before);
      account_session(book_, *write.request, command, write.outcomes[i]);
    }
  }
  for (auto& offer : offers_) {
    const std::size_t freed_before = effects_.freed_slots.size();
    const v1::Outcome outcome = apply_one(offer.command);
    const std::uint32_t count = is_ok(outcome.status()) ? outcome.count() : 0;
    book_.take(offer.worker, count);
    release_from(freed_before);
    if (count < offer.slots) satisfied_.insert(offer.worker);
  }
  finished_.push_back({std::exchange(number_, 0), std::exchange(writes_, {})});
}

void replica_machine::plan_offers(std::uint64_t tasks_created) {
  const std::uint64_t ready = machine_.ready_count() + tasks_created;
  std::uint64_t wanted = std::min<std::uint64_t>(ready, context_->config.ledger.batch_commands_max);
  // What the tasks to be created need is not known here: whoever has a slot free is offered one.
  const auto is_wanted = [&](worker_id worker) {
    if (tasks_created > 0) return true;
    return !satisfied_.contains(worker) && machine_.has_ready_for(worker);
  };
  std::map<std::pair<worker_id, session_number>, std::uint32_t> planned;
  while (wanted > 0) {
    const auto round = book_.plan(wanted, offer_slots_max, is_wanted);
    if (round.empty()) break;
    for (const auto& offer : round) {
      planned[{offer.worker, offer.session}] += offer.slots;
      book_.take(offer.worker, offer.slots);  // for the next round; what is really taken shows when it is applied
      wanted -= std::min<std::uint64_t>(wanted, offer.slots);
    }
  }
  for (const auto& [receiver, slots] : planned) {
    book_.give_back(receiver.first, slots);
    auto& offer = offers_.emplace_back();
    offer.worker = receiver.first;
    offer.slots = slots;
    offer.command.set_time_unix_ms(stamp());
    auto& body = *offer.command.mutable_offer_slots();
    body.set_worker_id(receiver.first.value);
    body.set_session(receiver.second.value);
    body.set_slots(slots);
  }
}

std::string replica_machine::propose(std::vector<pending_write>&& batch, bool is_offering) {
  offers_.clear();
  if (is_offering) plan_offers(count_creates(batch));
  const bool is_setting_limits = !machine_.are_limits_stored() || machine_.limits() != context_->limits;
  if (batch.empty() && offers_.empty() && !is_setting_limits) return {};
  writes_ = std::move(batch);
  is_refused_.clear();
  const std::int64_t now = stamp();
  const bool is_refusing_new_work = context_->store->is_nearly_full();
  number_ = ++last_number_;
  std::string payload{core::key{}.u64(context_->incarnation).u64(number_).view()};
  google::protobuf::io::StringOutputStream stream(&payload);
  google::protobuf::io::CodedOutputStream out(&stream);
  // First, so that nothing is applied with limits that another node does not have.
  limits_command_.reset();
  if (is_setting_limits) {
    limits_command_.emplace().set_time_unix_ms(now);
    *limits_command_->mutable_set_limits() = core::set_limits(context_->limits);
    write_command(out, *limits_command_);
  }
  for (auto& write : writes_) {
    auto& commands = write.request->commands;
    write.outcomes.assign(commands.size(), {});
    auto& refused = is_refused_.emplace_back(commands.size(), false);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (is_refusing_new_work && is_new_work(commands[i])) {
        refused[i] = true;
        write.outcomes[i] = storage_full();
        continue;
      }
      commands[i].set_time_unix_ms(now);
      write_command(out, commands[i]);
    }
  }
  // Last, so that a task that is created here can be leased here: one trip to a majority instead of two.
  for (const auto& offer : offers_) write_command(out, offer.command);
  out.Trim();
  return payload;
}

std::vector<pending_write> replica_machine::drop_proposal() {
  number_ = 0;
  offers_.clear();
  return std::exchange(writes_, {});
}

void replica_machine::publish_sessions() {
  for (const auto& proposal : finished_) open_sessions(*context_->sessions, proposal.writes);
  for (const worker_id worker : book_.touched()) {
    if (const auto figures = book_.find(worker)) context_->sessions->set_used(worker, figures->used);
  }
}

void replica_machine::forget_sessions() {
  book_ = {};
  satisfied_.clear();
  context_->sessions->clear();
}

}  // namespace hive
