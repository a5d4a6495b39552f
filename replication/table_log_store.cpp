#include "replication/table_log_store.hpp"

#include "core/keys.hpp"
#include "hive/v1/replication.pb.h"
#include "replication/configuration.hpp"

namespace hive::replication {

namespace {

using core::table;

constexpr std::string_view vote_row = "vote";
constexpr std::string_view snapshot_row = "snapshot";
constexpr std::string_view applied_row = "applied";
constexpr std::string_view first_row = "first";
constexpr std::size_t entry_head_bytes = 9;  // term, type

[[noreturn]] void raise_damage(const std::string& what) {
  throw core::table_error{errc::data_loss, "the replicated log is damaged: " + what};
}

entry_ptr read_entry(std::string_view value, log_index index) {
  if (value.size() < entry_head_bytes) raise_damage("entry " + std::to_string(index) + " is cut");
  const auto type = static_cast<entry_type>(value[8]);
  const term_number term = core::read_u64(value, 0);
  if (term == 0 || type < entry_type::command || type > entry_type::change) {
    raise_damage("entry " + std::to_string(index) + " has no term or an unknown type");
  }
  return std::make_shared<const log_entry>(log_entry{term, type, std::string{value.substr(entry_head_bytes)}});
}

state_point read_point(const core::table_reader& tables, std::string_view row) {
  const auto value = tables.get(table::log_meta, row);
  if (!value) return {};
  v1::LogStatePoint stored;
  if (!stored.ParseFromArray(value->data(), static_cast<int>(value->size()))) {
    raise_damage("row " + std::string{row} + " of log_meta");
  }
  state_point point{stored.index(), stored.term(), stored.configuration_index(), {}};
  if (stored.configuration().empty()) return point;
  auto members = decode_configuration(stored.configuration());
  if (!members) raise_damage("row " + std::string{row} + " of log_meta: " + members.failure().message);
  point.members = std::move(*members);
  return point;
}

}  // namespace

stored_state table_log_store::load() const {
  stored_state found;
  if (const auto value = tables_.get(table::log_meta, vote_row)) {
    v1::LogVote vote;
    if (!vote.ParseFromArray(value->data(), static_cast<int>(value->size()))) raise_damage("row vote of log_meta");
    found.term = vote.term();
    found.voted_for = node_id{vote.voted_for()};
  }
  found.snapshot = read_point(tables_, snapshot_row);
  found.applied = read_point(tables_, applied_row);
  if (const auto value = tables_.get(table::log_meta, first_row)) {
    if (value->size() != 8) raise_damage("row first of log_meta");
    found.first = core::read_u64(*value, 0);
  }
  found.last = found.first - 1;
  tables_.scan_back(table::log, "", [&found](std::string_view key, std::string_view) {
    found.last = core::read_u64(key, 0);
    return false;
  });
  const std::uint64_t count = tables_.size(table::log);
  if (found.first == 0 || found.last + 1 - found.first != count) {
    raise_damage("it should go from " + std::to_string(found.first) + " to " + std::to_string(found.last) +
                 " and has " + std::to_string(count) + " entries");
  }
  if (found.applied.index < found.snapshot.index) raise_damage("it was compacted beyond the applied state");
  return found;
}

void table_log_store::scan(log_index from, log_index through,
                           const std::function<void(log_index, const entry_ptr&)>& visit) const {
  if (from > through) return;
  tables_.scan(table::log, core::key{}.u64(from), [&](std::string_view key, std::string_view value) {
    const log_index index = core::read_u64(key, 0);
    if (index > through) return false;
    visit(index, read_entry(value, index));
    return true;
  });
}

entry_ptr table_log_store::read(log_index index) const {
  const auto value = tables_.get(table::log, core::key{}.u64(index));
  return value ? read_entry(*value, index) : nullptr;
}

void table_log_store::save_vote(term_number term, node_id voted_for) {
  v1::LogVote vote;
  vote.set_term(term);
  vote.set_voted_for(voted_for.value);
  tables_.put(table::log_meta, vote_row, vote.SerializeAsString());
}

void table_log_store::append(log_index index, const entry_ptr& entry) {
  std::string value;
  value.reserve(entry_head_bytes + entry->payload.size());
  value.append(core::key{}.u64(entry->term).u8(static_cast<std::uint8_t>(entry->type)).view());
  value.append(entry->payload);
  tables_.append(table::log, core::key{}.u64(index), value);
}

void table_log_store::erase_range(log_index from, log_index through) {
  for (log_index index = from; index <= through; ++index) {
    if (!tables_.erase(table::log, core::key{}.u64(index)))
      raise_damage("entry " + std::to_string(index) + " is missing");
  }
}

void table_log_store::truncate(log_index from, log_index last) { erase_range(from, last); }

void table_log_store::compact(log_index first, log_index through) {
  erase_range(first, through);
  tables_.put(table::log_meta, first_row, core::key{}.u64(through + 1));
}

void table_log_store::reset(log_index first) {
  const stored_state found = load();
  erase_range(found.first, found.last);
  tables_.put(table::log_meta, first_row, core::key{}.u64(first));
}

void table_log_store::save_point(std::string_view row, const state_point& point) {
  v1::LogStatePoint stored;
  stored.set_index(point.index);
  stored.set_term(point.term);
  stored.set_configuration_index(point.configuration_index);
  if (!point.members.members.empty()) stored.set_configuration(encode_configuration(point.members));
  tables_.put(table::log_meta, row, stored.SerializeAsString());
}

void table_log_store::save_snapshot(const state_point& point) { save_point(snapshot_row, point); }

void table_log_store::save_applied(const state_point& point) { save_point(applied_row, point); }

}  // namespace hive::replication
