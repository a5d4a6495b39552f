// One event into the library, and its update into the log and the effects.
#include <algorithm>

#include "core/table.hpp"
#include "replication/driver.hpp"
#include "replication/raft_convert.hpp"

namespace hive::replication {

namespace {

/// What a caller may ask at the wrong moment; everything else that the library returns is the end of it.
bool is_refusal(int code) {
  return code == RAFT_NOTLEADER || code == RAFT_CANTCHANGE || code == RAFT_BADID || code == RAFT_NOTFOUND;
}

constexpr unsigned vote_flags = (RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR);

}  // namespace

int driver::step(raft_event& event) {
  if (failure_ || !is_open_) return RAFT_SHUTDOWN;
  event.time = now_;
  event.capacity = 0;
  raft_update update{};
  const bool was_leader = raft_->state == RAFT_LEADER;
  const unsigned short state_before = raft_->state;
  const int code = raft_step(raft_.get(), &event, &update);
  if (code != 0) {
    if (!is_refusal(code)) {
      failure_ = error{errc::internal,
                       "consensus stopped (event " + std::to_string(event.type) + "): " + raft_strerror(code) + ": " +
                           raft_errmsg(raft_.get()),
                       {}};
    }
    return code;
  }
  if ((update.flags & vote_flags) != 0) {
    log_->save_vote(raft_current_term(raft_.get()), node_id{raft_voted_for(raft_.get())});
    has_changes_ = true;
  }
  log_index persisted = 0;
  const bool has_entries = (update.flags & (RAFT_UPDATE_ENTRIES)) != 0;
  if (has_entries) {
    persisted = persist(update.entries.index, update.entries.batch, update.entries.n);
    if (update.entries.batch == &raft_->barrier && options_.quirks.frees_no_op) raft_free(raft_->barrier.buf.base);
  }
  if ((update.flags & (RAFT_UPDATE_SNAPSHOT)) != 0) begin_install(update.snapshot.metadata);
  refresh_members();
  // The array and what it points to die with the next step.
  if ((update.flags & (RAFT_UPDATE_MESSAGES)) != 0) {
    for (unsigned i = 0; i < update.messages.n && !failure_; ++i) enqueue(update.messages.batch[i]);
  }
  if (persisted != 0 && !failure_) {
    raft_event done{};
    done.type = RAFT_PERSISTED_ENTRIES;
    done.persisted_entries.index = persisted;
    step(done);
  }
  if (raft_->state != state_before && !failure_) on_state_change(was_leader, has_entries);
  return failure_ ? RAFT_SHUTDOWN : 0;
}

log_index driver::persist(log_index index, const raft_entry* batch, unsigned count) {
  has_changes_ = true;
  if (index <= last_) {
    if (index <= std::max(applied_.index, snapshot_.index)) {
      failure_ = error{errc::data_loss, "committed entry " + std::to_string(index) + " would be overwritten", {}};
      return 0;
    }
    log_->truncate(index, last_);
    cache_.truncate(index);
    last_ = index - 1;
  }
  if (index != last_ + 1) {
    failure_ = error{errc::internal, "the log would get a gap at " + std::to_string(index), {}};
    return 0;
  }
  // Entries that came in with the event are shared with it; the library's own no-op is copied.
  const bool is_ours = batch_ != nullptr && batch >= batch_begin_ && batch < batch_begin_ + batch_->size();
  was_batch_taken_ = was_batch_taken_ || is_ours;
  for (unsigned i = 0; i < count; ++i) {
    entry_ptr entry;
    if (is_ours) {
      entry = (*batch_)[static_cast<std::size_t>(batch - batch_begin_) + i];
    } else {
      const raft_entry& raw = batch[i];
      entry = std::make_shared<const log_entry>(
          log_entry{raw.term, static_cast<entry_type>(raw.type),
                    std::string{static_cast<const char*>(raw.buf.base), raw.buf.len}});
    }
    adapt_inflight(*entry);
    log_->append(++last_, entry);
    cache_.append(last_, std::move(entry));
  }
  return last_;
}

int driver::submit_entries(std::vector<entry_ptr> entries) {
  std::vector<raft_entry> raw;
  raw.reserve(entries.size());
  // The library wants a batch to be there and never frees that of a submit.
  for (const entry_ptr& one : entries) raw.push_back(to_raft(*one, const_cast<char*>(one->payload.data())));
  raft_event event{};
  event.type = RAFT_SUBMIT;
  event.submit.entries = raw.data();
  event.submit.n = static_cast<unsigned>(raw.size());
  const auto* batch_before = std::exchange(batch_, &entries);
  const raft_entry* begin_before = std::exchange(batch_begin_, raw.data());
  const bool taken_before = was_batch_taken_;
  const int code = step(event);
  batch_ = batch_before;
  batch_begin_ = begin_before;
  was_batch_taken_ = taken_before;
  return code;
}

/// So that what is in flight to a follower stays within inflight_bytes_max: the library counts entries only. Follows
/// growing entries at once and shrinking ones slowly.
void driver::adapt_inflight(const log_entry& entry) {
  constexpr std::uint64_t memory = 16;
  const std::uint64_t bytes = entry.payload.size() + entry_overhead_bytes;
  entry_bytes_estimate_ = std::max(bytes, (entry_bytes_estimate_ * (memory - 1) + bytes) / memory);
  const std::uint64_t most = std::min<std::uint64_t>(options_.inflight_entries_max, trailing_entries());
  raft_set_max_inflight_entries(raft_.get(), static_cast<unsigned>(std::clamp<std::uint64_t>(
                                                 options_.inflight_bytes_max / entry_bytes_estimate_, 1, most)));
}

void driver::enqueue(const raft_message& message) {
  const node_id to{message.server_id};
  switch (message.type) {
    case RAFT_APPEND_ENTRIES:
      return enqueue_entries(to, message.append_entries);
    case RAFT_APPEND_ENTRIES_RESULT: {
      const auto& body = message.append_entries_result;
      // The library leaves the last index unset when it answers a deposed leader.
      const log_index most = body.rejected != 0 ? body.rejected - 1 : last_;
      return send(to, append_result{body.term, body.rejected, std::min<log_index>(body.last_log_index, most)});
    }
    case RAFT_REQUEST_VOTE: {
      const auto& body = message.request_vote;
      return send(to,
                  vote_request{body.term, body.last_log_index, body.last_log_term, body.disrupt_leader, body.pre_vote});
    }
    case RAFT_REQUEST_VOTE_RESULT: {
      const auto& body = message.request_vote_result;
      const bool is_old = body.pre_vote && !body.vote_granted && body.term < raft_current_term(raft_.get());
      const bool tells_term = is_old && options_.quirks.tells_term_to_pre_vote;
      return send(
          to, vote_result{tells_term ? raft_current_term(raft_.get()) : body.term, body.vote_granted, body.pre_vote});
    }
    case RAFT_INSTALL_SNAPSHOT:
      return offer_snapshot(to, message);
    case RAFT_TIMEOUT_NOW: {
      const auto& body = message.timeout_now;
      return send(to, timeout_now{body.term, body.last_log_index, body.last_log_term});
    }
  }
}

void driver::enqueue_entries(node_id to, const raft_append_entries& request) {
  if (!links_.is_open(to)) return;
  append_entries body{request.term, request.prev_log_index, request.prev_log_term, request.leader_commit, {}};
  body.entries.reserve(request.n_entries);
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < request.n_entries; ++i) {
    const log_index index = request.prev_log_index + 1 + i;
    entry_ptr entry = entry_at(index);
    if (entry == nullptr) {
      failure_ = error{errc::data_loss, "entry " + std::to_string(index) + " of the log is missing", {}};
      return;
    }
    bytes += bytes_of(*entry);
    // The follower rejects what comes after the gap, and the leader goes on from there.
    if (i > 0 && bytes > options_.message_bytes_max) break;
    body.entries.push_back(std::move(entry));
  }
  send(to, std::move(body));
}

void driver::send(node_id to, message_body body) {
  outgoing_message out{to, {0, 0, std::move(body)}};
  if (links_.stamp(to, out.message)) effects_.messages.push_back(std::move(out));
}

void driver::on_state_change(bool was_leader, bool has_new_entries) {
  if (was_leader) {
    for (const pending_submit& one : submits_) {
      fail(one.request, errc::unavailable, "leadership was lost before the command was committed", true);
    }
    submits_.clear();
    uncommitted_bytes_ = 0;
    if (change_) {
      const bool is_unknown = change_->at == change_operation::phase::committing;
      end_change(error{errc::unavailable, "leadership was lost", {}}, is_unknown);
    }
    if (transfer_) {
      const bool is_done = transfer_->is_told;
      end_transfer(is_done ? std::nullopt : std::optional{error{errc::unavailable, "leadership was lost", {}}});
    }
    refuse_reads();
  }
  if (raft_->state == RAFT_LEADER && !has_new_entries && options_.quirks.commits_own_term) {
    submit_entries({std::make_shared<const log_entry>(
        log_entry{raft_current_term(raft_.get()), entry_type::barrier, std::string(8, '\0')})});
  }
}

entry_ptr driver::entry_at(log_index index) const {
  if (entry_ptr found = cache_.find(index)) return found;
  return log_->read(index);
}

term_number driver::term_at(log_index index) const {
  if (index == snapshot_.index) return snapshot_.term;
  if (index < first_ || index > last_) return 0;
  const entry_ptr found = entry_at(index);
  return found == nullptr ? 0 : found->term;
}

}  // namespace hive::replication
