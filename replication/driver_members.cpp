// Membership, one server a change (Ongaro's thesis, 4.1 and 4.2), and leadership transfer (3.10).
#include <algorithm>

#include "replication/configuration.hpp"
#include "replication/driver.hpp"
#include "replication/raft_convert.hpp"

namespace hive::replication {

namespace {

error bad_change(errc code, const std::string& what) { return error{code, what, "change"}; }

}  // namespace

result<configuration> driver::changed(const membership_change& what) const {
  const std::string name = "node " + std::to_string(what.member.value);
  configuration wanted = members_;
  const auto found = std::find_if(wanted.members.begin(), wanted.members.end(),
                                  [&](const member& one) { return one.id == what.member; });
  const bool is_there = found != wanted.members.end();
  if (what.kind == change_kind::add_stand_by) {
    if (is_there) return bad_change(errc::already_exists, name + " is a member");
    wanted.members.push_back({what.member, what.address, member_role::stand_by});
  } else if (!is_there) {
    return bad_change(errc::not_found, name + " is not a member");
  } else if (what.kind == change_kind::promote) {
    if (found->role == member_role::voter) return bad_change(errc::failed_precondition, name + " is a voter");
    found->role = member_role::voter;
  } else if (what.member == options_.self) {
    return bad_change(errc::failed_precondition, name + " leads; transfer leadership first");
  } else if (what.kind == change_kind::demote) {
    if (found->role != member_role::voter) return bad_change(errc::failed_precondition, name + " is no voter");
    found->role = member_role::stand_by;
  } else {
    wanted.members.erase(found);
  }
  const bool is_fewer = wanted.voter_count() < members_.voter_count();
  if (is_fewer && options_.quirks.guards_changes && !what.is_forced && wanted.voter_count() < options_.voters_min) {
    return bad_change(errc::failed_precondition,
                      "fewer than " + std::to_string(options_.voters_min) +
                          " voters would be left; add one first, or force it (--force) if the new one needs the "
                          "address of this one");
  }
  if (auto good = check_configuration(wanted); !good) return good.failure();
  return wanted;
}

result<void> driver::change(ticket request, const membership_change& what) {
  if (!is_leader()) return not_leader();
  const bool is_given_up = change_ && change_->at != change_operation::phase::committing &&
                           change_->what.kind == change_kind::promote && change_->what.member == what.member &&
                           what.kind == change_kind::remove;
  if (is_given_up) end_change(error{errc::failed_precondition, "the node was removed instead", {}});
  if (change_) return bad_change(errc::failed_precondition, "another change is under way");
  if (transfer_) return error{errc::unavailable, "leadership is being handed over; try again", {}};
  if (auto wanted = changed(what); !wanted) return wanted.failure();
  change_ = change_operation{request, what, change_operation::phase::waiting, false, 0, now_ + options_.change_ms_max};
  return {};
}

void driver::advance_change() {
  if (!change_ || !is_leader() || change_->at == change_operation::phase::committing) return;
  if (now_ >= change_->deadline_ms) {
    return end_change(error{errc::deadline_exceeded, "the cluster was not ready for the change", {}});
  }
  if (change_->at == change_operation::phase::catching_up) {
    advance_catch_up();
    if (!change_ || change_->at == change_operation::phase::catching_up) return;
  }
  // An entry of this term must be committed and no other change open.
  const log_index commit = raft_commit_index(raft_.get());
  if (options_.quirks.commits_own_term && term_at(commit) != raft_current_term(raft_.get())) return;
  if (raft_->configuration_uncommitted_index != 0 || raft_->leader_state.promotee_id != 0) return;
  if (change_->what.kind == change_kind::promote && !change_->is_caught_up) return begin_catch_up();
  submit_change();
}

void driver::begin_catch_up() {
  raft_event event{};
  event.type = RAFT_CATCH_UP;
  event.catch_up.server_id = change_->what.member.value;
  // It must be a member and no voter: the library does not look.
  if (auto wanted = changed(change_->what); !wanted) return end_change(wanted.failure());
  change_->at = change_operation::phase::catching_up;
  step(event);
  // A round ends with an acknowledgement of something new.
  submit_entries({std::make_shared<const log_entry>(
      log_entry{raft_current_term(raft_.get()), entry_type::barrier, std::string(8, '\0')})});
  apply_committed();
}

void driver::advance_catch_up() {
  int status = RAFT_CATCH_UP_NONE;
  const int code = raft_catch_up(raft_.get(), change_->what.member.value, &status);
  if (code == 0 && status == RAFT_CATCH_UP_RUNNING) return;
  if (code != 0 || status != RAFT_CATCH_UP_FINISHED) {
    return end_change(error{errc::unavailable, "the new voter did not catch up", {}});
  }
  change_->is_caught_up = true;
  change_->at = change_operation::phase::waiting;
}

bool driver::is_change_safe(const configuration& wanted) const {
  if (!options_.quirks.guards_changes || newest_voter_ == options_.self || !wanted.is_voter(newest_voter_)) return true;
  // One that is away may be so for ever, and must not keep the others from adding the one that takes its place. To take
  // another voter away would leave a majority that needs it.
  const bool is_adding = change_->what.kind == change_kind::add_stand_by || change_->what.kind == change_kind::promote;
  if (is_adding && !links_.is_open(newest_voter_)) return true;
  raft_index match = 0;
  return raft_match_index(raft_.get(), newest_voter_.value, &match) == 0 && match >= newest_voter_index_;
}

void driver::submit_change() {
  auto wanted = changed(change_->what);
  if (!wanted) return end_change(wanted.failure());
  if (!is_change_safe(*wanted)) return;
  change_->at = change_operation::phase::committing;
  change_->index = last_ + 1;
  const int code = submit_entries({std::make_shared<const log_entry>(
      log_entry{raft_current_term(raft_.get()), entry_type::change, encode_configuration(*wanted)})});
  if (code != 0 && change_) return end_change(error{errc::unavailable, "the change was refused; try again", {}});
  apply_committed();
}

void driver::end_change(const std::optional<error>& failure, bool is_unknown) {
  if (failure) {
    // As the library does when a server is too slow. It never gives up one that says nothing at all.
    if (change_->at == change_operation::phase::catching_up && is_leader() &&
        raft_->leader_state.promotee_id == change_->what.member.value)
      raft_->leader_state.promotee_id = 0;
    fail(change_->request, failure->code, failure->message, is_unknown);
  } else {
    complete(change_->request, change_->index);
  }
  change_.reset();
}

result<void> driver::transfer(ticket request, node_id to) {
  if (!is_leader()) return not_leader();
  if (transfer_ || change_)
    return error{errc::failed_precondition, "a transfer or a membership change is under way", {}};
  if (!to.is_set()) {
    log_index best = 0;
    for (const member& one : members_.members) {
      raft_index match = 0;
      if (one.role != member_role::voter || one.id == options_.self || !links_.is_open(one.id)) continue;
      if (raft_match_index(raft_.get(), one.id.value, &match) != 0 || match < best) continue;
      best = match;
      to = one.id;
    }
  }
  if (to == options_.self || !members_.is_voter(to)) {
    return error{errc::invalid_argument, "there is no such other voter", "to"};
  }
  transfer_ = transfer_operation{request, to, false, now_ + options_.election_ms};
  return {};
}

void driver::advance_transfer() {
  if (!transfer_ || !is_leader()) return;
  if (transfer_->is_told) {
    if (raft_transferee(raft_.get()) == 0)
      end_transfer(error{errc::deadline_exceeded, "the voter did not take over", {}});
    return;
  }
  raft_index match = 0;
  const bool is_complete = raft_match_index(raft_.get(), transfer_->to.value, &match) == 0 && match == last_;
  if (is_complete || !options_.quirks.drains_before_transfer) {
    raft_event event{};
    event.type = RAFT_TRANSFER;
    event.transfer.server_id = transfer_->to.value;
    transfer_->is_told = true;
    if (step(event) != 0) end_transfer(error{errc::unavailable, "the transfer was refused", {}});
  } else if (now_ >= transfer_->deadline_ms) {
    end_transfer(error{errc::deadline_exceeded, "the voter did not catch up", {}});
  }
}

void driver::end_transfer(const std::optional<error>& failure) {
  if (!transfer_) return;
  if (failure) {
    fail(transfer_->request, failure->code, failure->message);
  } else {
    complete(transfer_->request, 0);
  }
  transfer_.reset();
}

}  // namespace hive::replication
