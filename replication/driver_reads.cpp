// Linearizable reads; see read_tracker.hpp.
#include <algorithm>

#include "replication/driver.hpp"
#include "replication/raft_library.hpp"

namespace hive::replication {

result<void> driver::read(ticket request) {
  if (reads_.size() + queries_waiting_.size() >= options_.reads_max) {
    return error{errc::resource_exhausted, "too many reads wait", {}};
  }
  if (is_leader()) {
    reads_.add({node_id{}, request.value});
    return {};
  }
  const node_id leader = current_role().leader;
  if (!leader.is_set() || !links_.is_open(leader)) return not_leader();
  queries_waiting_.push_back(request);
  return {};
}

void driver::advance_reads() {
  if (!queries_waiting_.empty()) {
    const std::uint64_t query = ++last_query_;
    queries_[query] = {std::exchange(queries_waiting_, {}), now_ + 2ULL * options_.election_ms};
    send(current_role().leader, read_query{query});
  }
  if (!is_leader()) return;
  while (true) {
    if (auto confirmed = reads_.take_confirmed(members_, options_.self)) {
      std::erase_if(confirmed->waiters, [&](const read_tracker::waiter& one) {
        if (!one.origin.is_set()) return false;
        send(one.origin, read_answer{one.id, confirmed->index});
        return true;
      });
      if (!confirmed->waiters.empty()) confirmed_.push_back(std::move(*confirmed));
    }
    // The commit index says what is committed once an entry of this term is.
    const log_index commit = raft_commit_index(raft_.get());
    if (reads_.is_round_open() || !reads_.has_waiting() || term_at(commit) != raft_current_term(raft_.get())) return;
    reads_.begin(commit, now_);
    send_pings();
  }
}

void driver::send_pings() {
  for (const member& one : members_.members) {
    if (one.role != member_role::voter || one.id == options_.self) continue;
    send(one.id, read_ping{raft_current_term(raft_.get()), reads_.round()});
  }
}

void driver::release_reads() {
  std::erase_if(confirmed_, [this](const read_tracker::confirmed_reads& group) {
    if (group.index > applied_.index) return false;
    for (const read_tracker::waiter& one : group.waiters) complete(ticket{one.id}, applied_.index);
    return true;
  });
}

void driver::refuse_reads() {
  for (const read_tracker::waiter& one : reads_.take_all()) {
    if (one.origin.is_set()) {
      send(one.origin, read_answer{one.id, 0});
    } else {
      fail(ticket{one.id}, errc::unavailable, "leadership was lost before the read was confirmed");
    }
  }
}

void driver::expire_queries() {
  std::erase_if(queries_, [this](const auto& item) {
    if (now_ < item.second.deadline_ms) return false;
    for (const ticket one : item.second.requests) fail(one, errc::unavailable, "the leader did not answer");
    return true;
  });
}

result<void> driver::on(node_id from, read_ping& message) {
  // It has not voted in a later term: whoever hears this from a majority led when it asked.
  if (message.term == raft_current_term(raft_.get())) send(from, read_pong{message.term, message.round});
  return {};
}

result<void> driver::on(node_id from, read_pong& message) {
  if (is_leader() && message.term == raft_current_term(raft_.get())) reads_.note_pong(from, message.round);
  return {};
}

result<void> driver::on(node_id from, read_query& message) {
  if (is_leader() && reads_.size() < options_.reads_max) {
    reads_.add({from, message.query});
  } else {
    send(from, read_answer{message.query, 0});
  }
  return {};
}

result<void> driver::on(node_id, read_answer& message) {
  const auto found = queries_.find(message.query);
  if (found == queries_.end()) return {};
  if (message.index == 0) {
    for (const ticket one : found->second.requests) fail(one, errc::unavailable, "the asked node leads no more");
  } else {
    read_tracker::confirmed_reads group{message.index, {}};
    for (const ticket one : found->second.requests) group.waiters.push_back({node_id{}, one.value});
    confirmed_.push_back(std::move(group));
  }
  queries_.erase(found);
  return {};
}

}  // namespace hive::replication
