#include "replication/driver.hpp"

#include <algorithm>
#include <limits>

#include "core/table.hpp"
#include "replication/configuration.hpp"
#include "replication/raft_convert.hpp"
#include "replication/raft_library.hpp"

namespace hive::replication {

namespace {

/// Idle offers are kept as long as their receiver keeps asking.
constexpr std::uint32_t offer_idle_factor = 8;

unsigned library_seed(const driver_options& options) {
  const std::uint64_t mixed =
      (options.random_seed + options.self.value * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
  return static_cast<unsigned>(mixed >> 32U);
}

}  // namespace

driver::driver(driver_options options)
    : options_(std::move(options)),
      cache_(options_.cache_bytes_max),
      links_(options_.sequence_base),
      offers_(options_.random_seed + options_.self.value * 0x9e3779b97f4a7c15ULL, options_.snapshots_max,
              options_.chunk_retry_ms * offer_idle_factor) {
  std::uint64_t state = options_.random_seed;
  last_query_ = next_number(state);
  reads_.number_from(next_number(state));
}

driver::~driver() { close_library(); }

void driver::open_library() {
  raft_ = std::make_unique<raft>();
  if (raft_init(raft_.get(), nullptr, nullptr, options_.self.value, options_.address.c_str()) != 0) {
    failure_ = error{errc::internal, "libraft could not be initialized", {}};
    return;
  }
  is_open_ = true;
  if (options_.quirks.silences_tracer) raft_->tracer = nullptr;
  raft_seed(raft_.get(), options_.quirks.seeds_random ? library_seed(options_) : 0);
  raft_set_election_timeout(raft_.get(), options_.election_ms);
  raft_set_heartbeat_timeout(raft_.get(), options_.heartbeat_ms);
  raft_set_install_snapshot_timeout(raft_.get(), options_.install_ms_max);
  raft_set_max_catch_up_round_duration(raft_.get(), options_.install_ms_max);
  raft_set_pre_vote(raft_.get(), true);
  raft_set_max_inflight_entries(raft_.get(), options_.inflight_entries_max);
}

void driver::close_library() {
  if (install_ && install_->metadata) raft_configuration_close(&install_->metadata->configuration);
  install_.reset();
  if (is_open_) raft_close(raft_.get(), nullptr);
  is_open_ = false;
}

void driver::begin_cycle(time_ms now, log_store& log, state_machine& machine) {
  const time_ms before =
      std::exchange(owner_now_, options_.quirks.keeps_time_monotonic ? std::max(owner_now_, now) : now);
  const time_ms passed = owner_now_ - before;  // wraps if it may go back
  const bool is_bounded = is_open_ && options_.quirks.discounts_stalls && owner_now_ >= before;
  now_ += is_bounded ? std::min(passed, cycle_gap_ms_max()) : passed;
  log_ = &log;
  machine_ = &machine;
  effects_ = {};
  has_changes_ = false;
}

effects driver::end_cycle() {
  if (!failure_) {
    advance_change();
    advance_transfer();
    advance_reads();
    release_reads();
    compact();
    save_applied();
  }
  for (const snapshot_id one : offers_.take_closed()) effects_.snapshots_closed.push_back(one);
  const role_mark now = failure_ ? role_mark{} : current_role();
  effects_.is_role_changed = now != told_;
  told_ = now;
  log_ = nullptr;
  machine_ = nullptr;
  if (failure_) effects_ = {};
  return std::exchange(effects_, {});
}

time_ms driver::next_deadline_ms() const {
  if (!is_open_) return std::numeric_limits<time_ms>::max();
  time_ms next = raft_timeout(raft_.get());
  if (install_) next = std::min<time_ms>(next, install_->asked_ms + options_.chunk_retry_ms);
  if (reads_.is_round_open()) next = std::min<time_ms>(next, now_ + options_.heartbeat_ms);
  if (!queries_.empty()) next = std::min<time_ms>(next, queries_.begin()->second.deadline_ms);
  if (change_ || transfer_) next = std::min<time_ms>(next, now_ + options_.heartbeat_ms);
  // Half of it, so that an owner that is a little late loses no time.
  if (options_.quirks.discounts_stalls) next = std::min<time_ms>(next, now_ + cycle_gap_ms_max() / 2);
  return next + (owner_now_ - now_);
}

/// The most that passes between two cycles. Well below the election timeout, so that the peers are heard in between.
time_ms driver::cycle_gap_ms_max() const {
  return std::max<time_ms>(2, std::min<time_ms>(2ULL * options_.heartbeat_ms, options_.election_ms / 2));
}

result<void> driver::start() {
  open_library();
  if (failure_) return *failure_;
  return load();
}

result<void> driver::load() {
  const stored_state found = log_->load();
  first_ = found.first;
  last_ = found.last;
  snapshot_ = found.snapshot;
  applied_ = found.applied;
  is_applied_dirty_ = false;
  cache_.clear();
  if (found.first > found.snapshot.index + 1 || found.snapshot.index > found.last) {
    return error{errc::data_loss, "the log does not fit its snapshot point", {}};
  }

  // From the point where the log was last compacted or replaced, as the library left it; the state machine may be
  // ahead.
  std::vector<raft_entry> entries;
  std::vector<entry_ptr> alive;
  entries.reserve(found.last + 1 - found.first);
  bool is_readable = true;
  log_->scan(found.first, found.last, [&](log_index, const entry_ptr& one) {
    const bool is_change = one->type == entry_type::change;
    if (is_change) alive.push_back(one);
    is_readable = is_readable && (!is_change || decode_configuration(one->payload));
    entries.push_back(to_raft(*one, nullptr));
    if (!is_change) entries.back().buf = {};
  });
  if (!is_readable) return error{errc::data_loss, "a configuration in the log cannot be read", {}};
  raft_event event{};
  event.type = RAFT_START;
  event.start.term = found.term;
  event.start.voted_for = found.voted_for.value;
  raft_snapshot_metadata metadata{};
  if (found.snapshot.index > 0) {
    metadata = to_raft(found.snapshot);
    event.start.metadata = &metadata;
  }
  event.start.start_index = found.first;
  event.start.entries = entries.data();
  event.start.n_entries = static_cast<unsigned>(entries.size());
  cursor_ = found.snapshot.index;
  members_mark_ = {};
  members_ = {};
  step(event);
  apply_committed();
  if (failure_) return *failure_;
  return {};
}

void driver::restart_library() {
  save_applied();
  close_library();
  open_library();
  if (failure_) return;
  if (auto good = load(); !good) failure_ = good.failure();
}

void driver::tick() {
  if (!is_open_ || failure_) return;
  raft_event event{};
  event.type = RAFT_TIMEOUT;
  step(event);
  apply_committed();
  offers_.expire(now_);
  watch_install();
  expire_queries();
  if (reads_.is_retry_due(now_, options_.heartbeat_ms)) send_pings();
}

void driver::open_link(node_id peer, std::uint64_t inbound_session, std::uint64_t outbound_session) {
  links_.open(peer, inbound_session, outbound_session);
}

void driver::close_link(node_id peer) { links_.close(peer); }

result<void> driver::submit(ticket request, std::vector<std::string> commands) {
  if (!is_leader()) return not_leader();
  if (transfer_) return error{errc::unavailable, "leadership is being handed over; try again", {}};
  if (commands.empty()) return error{errc::invalid_argument, "no command", "commands"};
  const std::uint64_t open = last_ - std::min<log_index>(last_, raft_commit_index(raft_.get()));
  std::uint64_t bytes = 0;
  for (const std::string& one : commands) {
    if (one.size() > options_.entry_bytes_max)
      return error{errc::invalid_argument, "a command is too large", "commands"};
    bytes += one.size() + entry_overhead_bytes;
  }
  if (open + commands.size() > options_.uncommitted_entries_max ||
      (!submits_.empty() && uncommitted_bytes_ + bytes > options_.uncommitted_bytes_max)) {
    return error{errc::resource_exhausted, "too many commands wait for a majority", {}};
  }
  const term_number term = raft_current_term(raft_.get());
  std::vector<entry_ptr> entries;
  entries.reserve(commands.size());
  for (std::string& one : commands) {
    entries.push_back(std::make_shared<const log_entry>(log_entry{term, entry_type::command, std::move(one)}));
  }
  submits_.push_back({last_ + entries.size(), request, bytes});
  uncommitted_bytes_ += bytes;
  if (submit_entries(std::move(entries)) != 0) {
    submits_.pop_back();
    uncommitted_bytes_ -= bytes;
    return failure_ ? *failure_ : not_leader();
  }
  apply_committed();
  return {};
}

void driver::apply_committed() {
  if (!is_open_ || install_) return;
  while (!failure_ && cursor_ < std::min<log_index>(raft_commit_index(raft_.get()), last_)) {
    const log_index index = cursor_ + 1;
    const entry_ptr entry = entry_at(index);
    if (entry == nullptr) {
      failure_ = error{errc::data_loss, "entry " + std::to_string(index) + " of the log is missing", {}};
      return;
    }
    cursor_ = index;
    if (index > applied_.index) {
      if (entry->type == entry_type::command) machine_->apply(index, *entry);
      applied_.index = index;
      applied_.term = entry->term;
      is_applied_dirty_ = true;
    }
    // Also after a restart, when it was applied before: the library does not know yet that it is committed.
    if (entry->type == entry_type::change) apply_change(index, *entry);
    while (!submits_.empty() && submits_.front().last <= index) {
      uncommitted_bytes_ -= submits_.front().bytes;
      complete(submits_.front().request, submits_.front().last);
      submits_.pop_front();
    }
  }
}

void driver::apply_change(log_index index, const log_entry& entry) {
  auto members = decode_configuration(entry.payload);
  if (!members) {
    failure_ =
        error{errc::data_loss, "entry " + std::to_string(index) + " of the log: " + members.failure().message, {}};
    return;
  }
  raft_event event{};
  event.type = RAFT_CONFIGURATION;
  event.configuration.index = index;
  event.configuration.conf = to_raft(*members);
  if (index > applied_.configuration_index) {
    for (const member& one : members->members) {
      if (one.role != member_role::voter || applied_.members.is_voter(one.id)) continue;
      newest_voter_ = one.id;
      newest_voter_index_ = index;
    }
    applied_.configuration_index = index;
    applied_.members = std::move(*members);
    is_applied_dirty_ = true;
  }
  // Before the event: a leader that is not in it steps down, and its change was committed all the same.
  if (change_ && change_->at == change_operation::phase::committing && change_->index == index)
    end_change(std::nullopt);
  step(event);
}

void driver::save_applied() {
  if (!is_applied_dirty_) return;
  log_->save_applied(applied_);
  is_applied_dirty_ = false;
  has_changes_ = true;
}

std::uint64_t driver::trailing_entries() const {
  return std::min<std::uint64_t>(
      options_.trailing_entries,
      std::max<std::uint64_t>(options_.trailing_entries_min, options_.trailing_bytes_max / entry_bytes_estimate_));
}

log_index driver::compaction_limit() const {
  const log_index reached = applied_.index;
  const std::uint64_t trailing = trailing_entries();
  if (reached <= trailing) return 0;
  log_index limit = reached - trailing;
  const std::uint64_t pinned_max = std::max<std::uint64_t>(
      trailing,
      std::min<std::uint64_t>(options_.pinned_entries_max, options_.pinned_bytes_max / entry_bytes_estimate_));
  const log_index floor = reached > pinned_max ? reached - pinned_max : 0;
  log_index pinned = limit;
  // One less than is needed: the receiver continues after the entry whose term it checks.
  if (const auto offered = offers_.pinned()) pinned = std::min(pinned, *offered - 1);
  if (is_leader()) {
    for (const member& one : members_.members) {
      raft_index match = 0;
      if (one.id == options_.self || !links_.is_open(one.id)) continue;
      if (raft_match_index(raft_.get(), one.id.value, &match) == 0 && match > 0)
        pinned = std::min<log_index>(pinned, match - 1);
    }
  }
  return std::max(std::min(limit, floor), pinned);
}

void driver::compact() {
  if (!is_open_ || install_ || cursor_ != applied_.index || applied_.members.members.empty()) return;
  const log_index offset = first_ - 1;
  const log_index limit = compaction_limit();
  const bool is_step_due = applied_.index >= snapshot_.index + options_.compact_step;
  if (!is_step_due || applied_.index <= snapshot_.index) return;
  const log_index through = limit > offset ? std::min<log_index>(offset + 2ULL * options_.compact_step, limit) : offset;
  snapshot_ = applied_;
  log_->save_snapshot(snapshot_);
  if (through > offset) {
    log_->compact(first_, through);
    cache_.drop_through(through);
    first_ = through + 1;
  }
  has_changes_ = true;
  raft_event event{};
  event.type = RAFT_SNAPSHOT;
  event.snapshot.metadata = to_raft(snapshot_);
  event.snapshot.trailing = static_cast<unsigned>(applied_.index - through);
  step(event);
}

void driver::complete(ticket request, log_index index) {
  if (request.is_set()) effects_.completions.push_back({request, std::nullopt, false, index});
}

void driver::fail(ticket request, errc code, const std::string& message, bool is_unknown) {
  if (request.is_set()) effects_.completions.push_back({request, error{code, message, {}}, is_unknown, 0});
}

error driver::not_leader() const {
  const node_id leader = current_role().leader;
  const member* found = members_.find(leader);
  return error{errc::not_leader,
               found == nullptr ? "this node does not lead, and no leader is known"
                                : "node " + std::to_string(leader.value) + " leads, at " + found->address,
               {}};
}

bool driver::is_leader() const { return is_open_ && raft_->state == RAFT_LEADER; }

void driver::refresh_members() {
  const std::pair<log_index, log_index> mark{raft_->configuration_committed_index,
                                             raft_->configuration_uncommitted_index};
  if (mark == members_mark_) return;
  members_mark_ = mark;
  members_ = from_raft(raft_->configuration);
}

driver::role_mark driver::current_role() const {
  if (!is_open_) return {};
  const term_number term = raft_current_term(raft_.get());
  if (raft_->state == RAFT_LEADER) return {node_role::leader, term, options_.self};
  if (raft_->state == RAFT_CANDIDATE) return {node_role::candidate, term, node_id{}};
  return {node_role::follower, term, node_id{raft_->follower_state.current_leader.id}};
}

driver_status driver::status() const {
  driver_status found = counters_;
  found.first = first_;
  found.last = last_;
  found.applied = applied_.index;
  found.snapshot = snapshot_.index;
  found.is_installing = install_.has_value();
  found.is_transferring = transfer_.has_value();
  found.members = members_;
  if (!is_open_) return found;
  const role_mark mark = current_role();
  found.role = mark.role;
  found.term = mark.term;
  found.leader = mark.leader;
  found.commit = raft_commit_index(raft_.get());
  found.is_change_pending = raft_->configuration_uncommitted_index != 0 || change_.has_value();
  for (const member& one : members_.members) {
    if (one.id == options_.self) continue;
    raft_index match = 0;
    if (raft_->state == RAFT_LEADER) raft_match_index(raft_.get(), one.id.value, &match);
    found.peers.push_back({one, links_.is_open(one.id), match});
  }
  return found;
}

}  // namespace hive::replication
