// What peers say: checked against the log, then into the library.
#include <algorithm>

#include "replication/driver.hpp"
#include "replication/raft_convert.hpp"

namespace hive::replication {

namespace {

// As libraft 0.22.1 fills them in.
constexpr unsigned char vote_version = 2;
constexpr unsigned char append_result_version = 2;

error refuse(node_id from, const std::string& what) {
  return error{errc::invalid_argument, "message of node " + std::to_string(from.value) + " refused: " + what, {}};
}

}  // namespace

result<void> driver::receive(node_id from, peer_message message) {
  if (!is_open_ || failure_) return error{errc::unavailable, "this node does not take part", {}};
  if (!from.is_set() || from == options_.self) return refuse(from, "it is not a peer");
  if (options_.quirks.discards_old_links && !links_.accept(from, message)) {
    ++counters_.messages_discarded;
    return {};
  }
  auto good = check_message(message);
  if (good) good = std::visit([&](auto& body) { return on(from, body); }, message.body);
  if (!good) ++counters_.messages_refused;
  return good;
}

log_index driver::settled() const {
  return std::min(std::max<log_index>(raft_commit_index(raft_.get()), applied_.index), last_);
}

/// A leader of our term or a later one has every entry that we know to be committed (Leader Completeness).
result<void> driver::check_committed(const append_entries& message) const {
  const log_index limit = settled();
  log_index index = message.previous_index;
  term_number term = message.previous_term;
  for (std::size_t i = 0; index <= limit; ++i) {
    const term_number own = index == 0 ? 0 : term_at(index);
    if (own != 0 && own != term) {
      return error{errc::data_loss, "it contradicts committed entry " + std::to_string(index), {}};
    }
    if (i == message.entries.size()) break;
    index = message.previous_index + 1 + i;
    term = message.entries[i]->term;
  }
  return {};
}

/// Up to the settled index both logs are the same: a request that begins before it begins there.
void driver::lift(append_entries& message) {
  const log_index limit = settled();
  const term_number term = term_at(limit);
  if (message.previous_index >= limit || term == 0) return;
  ++counters_.requests_lifted;
  const auto known = std::min<std::size_t>(limit - message.previous_index, message.entries.size());
  message.entries.erase(message.entries.begin(), message.entries.begin() + static_cast<std::ptrdiff_t>(known));
  message.previous_index = limit;
  message.previous_term = term;
}

result<void> driver::on(node_id from, append_entries& message) {
  const term_number current = raft_current_term(raft_.get());
  if (message.term == current && is_leader()) return refuse(from, "it claims to lead in this node's own term");
  if (message.term >= current) leader_heard_ms_ = now_;
  if (message.term >= current && !install_) {
    if (auto good = check_committed(message); !good) return refuse(from, good.failure().message);
    if (options_.quirks.lifts_requests) lift(message);
  }
  std::size_t begin = 0;
  do {
    std::size_t end = message.entries.size();
    if (options_.quirks.splits_change_batches) {
      end = std::min(begin + 1, message.entries.size());
      while (end < message.entries.size() && message.entries[end]->type != entry_type::change) ++end;
      if (end < message.entries.size()) ++counters_.batches_split;
    }
    const std::size_t sent = effects_.messages.size();
    receive_part(from, message, begin, end);
    begin = end;
    if (effects_.messages.size() > sent) {
      const auto* answer = std::get_if<append_result>(&effects_.messages.back().message.body);
      if (answer != nullptr && answer->rejected_index != 0) break;
    }
  } while (begin < message.entries.size() && !failure_);
  return {};
}

void driver::receive_part(node_id from, const append_entries& message, std::size_t begin, std::size_t end) {
  raft_message raw{};
  raw.type = RAFT_APPEND_ENTRIES;
  auto& body = raw.append_entries;
  body.term = message.term;
  body.prev_log_index = message.previous_index + begin;
  body.prev_log_term = begin == 0 ? message.previous_term : message.entries[begin - 1]->term;
  body.leader_commit = message.commit_index;
  // The library frees it, unless it hands entries back.
  void* batch = end > begin ? raft_malloc(1) : nullptr;
  std::vector<raft_entry> entries;
  entries.reserve(end - begin);
  for (std::size_t i = begin; i < end; ++i) entries.push_back(to_raft(*message.entries[i], batch));
  const std::vector<entry_ptr> part{message.entries.begin() + static_cast<std::ptrdiff_t>(begin),
                                    message.entries.begin() + static_cast<std::ptrdiff_t>(end)};
  body.entries = entries.data();
  body.n_entries = static_cast<unsigned>(entries.size());
  batch_ = &part;
  batch_begin_ = entries.data();
  was_batch_taken_ = false;
  step_message(from, raw);
  if (was_batch_taken_ && !failure_ && options_.quirks.frees_received_batch) raft_free(batch);
  batch_ = nullptr;
  batch_begin_ = nullptr;
  apply_committed();
}

int driver::step_message(node_id from, raft_message& message) {
  const member* known = members_.find(from);
  const std::string address = known == nullptr ? "node " + std::to_string(from.value) : known->address;
  message.server_id = from.value;
  message.server_address = address.c_str();
  raft_event event{};
  event.type = RAFT_RECEIVE;
  event.receive.message = &message;
  return step(event);
}

result<void> driver::on(node_id from, append_result& message) {
  raft_message raw{};
  raw.type = RAFT_APPEND_ENTRIES_RESULT;
  raw.append_entries_result = {append_result_version, message.term, message.rejected_index, message.last_index, 0, 0};
  step_message(from, raw);
  raft_index match = 0;
  if (is_leader() && raft_match_index(raft_.get(), from.value, &match) == 0) offers_.note_match(from, match);
  apply_committed();
  return {};
}

/// Raft's RequestVote and pre-vote (thesis, figure 3.1, 4.2.3 and 9.6) for a node that is no voter as far as it knows.
/// The library learns of the vote by starting anew from what is stored.
void driver::vote_as_stand_by(node_id from, const vote_request& message) {
  const term_number current = raft_current_term(raft_.get());
  const node_id voted_for{raft_voted_for(raft_.get())};
  const bool has_leader = leader_heard_ms_ != 0 && now_ - leader_heard_ms_ < options_.election_ms;
  const term_number own_term = term_at(last_);
  const bool is_behind = message.last_term < own_term || (message.last_term == own_term && message.last_index < last_);
  const bool may_vote = message.term > current || !voted_for.is_set() || voted_for == from || message.is_pre_vote;
  const bool is_granted =
      message.term >= current && !(has_leader && !message.disrupts_leader) && !is_behind && may_vote;
  if (is_granted && !message.is_pre_vote) {
    log_->save_vote(message.term, from);
    has_changes_ = true;
    restart_library();
  }
  const term_number answer =
      std::max<term_number>(message.is_pre_vote ? message.term : 0, raft_current_term(raft_.get()));
  send(from, vote_result{answer, is_granted, message.is_pre_vote});
}

result<void> driver::on(node_id from, vote_request& message) {
  if (options_.quirks.votes_as_stand_by && !members_.is_voter(options_.self) && !install_ &&
      raft_->state == RAFT_FOLLOWER) {
    vote_as_stand_by(from, message);
    return {};
  }
  raft_message raw{};
  raw.type = RAFT_REQUEST_VOTE;
  raw.request_vote = {vote_version,       message.term,      from.value,
                      message.last_index, message.last_term, message.disrupts_leader,
                      message.is_pre_vote};
  step_message(from, raw);
  return {};
}

result<void> driver::on(node_id from, vote_result& message) {
  // Late: the library would look at the candidate's state anyway, and take the proposed term of a pre-vote for a real
  // one.
  if (raft_->state != RAFT_CANDIDATE) return {};
  raft_message raw{};
  raw.type = RAFT_REQUEST_VOTE_RESULT;
  raw.request_vote_result = {vote_version, message.term, message.is_granted, message.is_pre_vote, 0, 0};
  step_message(from, raw);
  apply_committed();
  return {};
}

result<void> driver::on(node_id from, install_snapshot& message) {
  const term_number current = raft_current_term(raft_.get());
  if (message.term == current && is_leader()) return refuse(from, "it claims to lead in this node's own term");
  if (message.term >= current) leader_heard_ms_ = now_;
  if (install_ && options_.quirks.drops_second_install) return {};
  if (message.term >= current && !install_ && message.point.index <= settled()) {
    const term_number own = term_at(message.point.index);
    if (own != 0 && own != message.point.term) return refuse(from, "its snapshot contradicts a committed entry");
  }
  raft_message raw{};
  raw.type = RAFT_INSTALL_SNAPSHOT;
  auto& body = raw.install_snapshot;
  body.term = message.term;
  body.last_index = message.point.index;
  body.last_term = message.point.term;
  body.conf_index = message.point.configuration_index;
  body.conf = to_raft(message.point.members);
  install_from_ = from;
  install_id_ = message.snapshot;
  step_message(from, raw);
  return {};
}

result<void> driver::on(node_id from, timeout_now& message) {
  raft_message raw{};
  raw.type = RAFT_TIMEOUT_NOW;
  raw.timeout_now = {0, message.term, message.last_index, message.last_term};
  step_message(from, raw);
  apply_committed();
  return {};
}

}  // namespace hive::replication
