#include "tests/replication/simulated_cluster.hpp"

#include <algorithm>

#include "replication/peer_codec.hpp"

namespace hive::replication::testing {

namespace {

constexpr time_ms restart_ms = 400;
constexpr std::size_t copy_chunk_bytes = 48;
/// How long a node that speaks before its commit puts that off.
constexpr time_ms unsynced_ms = 50;

constexpr auto later = [](const auto& a, const auto& b) { return a.at != b.at ? a.at > b.at : a.order > b.order; };

}  // namespace

simulated_cluster::simulated_cluster(std::uint64_t seed, simulation_knobs knobs)
    : knobs_(std::move(knobs)),
      seed_(seed),
      random_(seed),
      nodes_(knobs_.nodes + 1),
      blocked_(knobs_.nodes + 1, std::vector<bool>(knobs_.nodes + 1, false)),
      last_delivery_(knobs_.nodes + 1, std::vector<time_ms>(knobs_.nodes + 1, 0)) {
  configuration members;
  for (std::uint32_t i = 1; i <= knobs_.founders; ++i) {
    members.members.push_back({node_id{i}, "n" + std::to_string(i), member_role::voter});
  }
  for (std::uint32_t i = 1; i <= knobs_.nodes; ++i) {
    nodes_[i].options = knobs_.options;
    nodes_[i].options.self = node_id{i};
    nodes_[i].options.address = "n" + std::to_string(i);
    if (i <= knobs_.founders && !found_cluster(*nodes_[i].disk.log, members)) fail("the cluster cannot be founded");
    nodes_[i].disk.commit();
    restart(i);
  }
}

// ---- time

void simulated_cluster::push(event&& one) {
  one.order = ++order_;
  heap_.push_back(std::move(one));
  std::push_heap(heap_.begin(), heap_.end(), later);
}

void simulated_cluster::wake(std::uint32_t number, time_ms at) {
  simulated_node& one = nodes_[number];
  at = std::max(at, now_);
  if (one.wake_ms != 0 && one.wake_ms <= at) return;
  one.wake_ms = at;
  event scheduled;
  scheduled.at = at;
  scheduled.to = number;
  push(std::move(scheduled));
}

/// Puts off what happens to a node that is stalled.
bool simulated_cluster::waits_for_stalled(event& one) {
  simulated_node& to = nodes_[one.to];
  if (to.stalled_until_ms <= now_) return false;
  if (one.is_commit) {
    one.at = to.stalled_until_ms;
  } else if (one.from == 0) {
    if (to.wake_ms != one.at) return true;  // superseded
    one.at = to.wake_ms = to.stalled_until_ms;
  } else {
    one.at = to.stalled_until_ms + 1;
    time_ms& last = last_delivery_[one.from][one.to];
    last = std::max(last, one.at);
  }
  push(std::move(one));
  return true;
}

void simulated_cluster::run_until(time_ms until) {
  while (violation_.empty()) {
    for (std::size_t i = 0; i < restarts_.size();) {
      if (restarts_[i].first > now_) {
        ++i;
        continue;
      }
      const std::uint32_t number = restarts_[i].second;
      restarts_.erase(restarts_.begin() + static_cast<std::ptrdiff_t>(i));
      restart(number);
    }
    time_ms next = until;
    for (const auto& one : restarts_) next = std::min(next, one.first);
    if (heap_.empty() || heap_.front().at > next) {
      now_ = std::max(now_, next);
      if (next >= until) return;
      continue;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    event one = std::move(heap_.back());
    heap_.pop_back();
    now_ = std::max(now_, one.at);
    if (waits_for_stalled(one)) continue;
    simulated_node& to = nodes_[one.to];
    if (one.is_commit) {
      if (to.engine != nullptr && to.is_busy && to.starts == one.start) {
        commit(one.to);
        if (to.engine != nullptr && !crashes_at(crash_point::after_commit)) {
          release(one.to);
        } else {
          crash_for_a_while(one.to);
        }
      }
    } else if (one.from == 0) {
      if (to.wake_ms != one.at) continue;  // superseded
      to.wake_ms = 0;
      if (to.engine != nullptr && !to.is_busy) run_cycle(one.to);
    } else if (to.engine != nullptr && !blocked_[one.from][one.to]) {
      to.inbox.push_back({node_id{one.from}, std::move(one.message), nullptr});
      wake(one.to, now_);
    }
  }
}

bool simulated_cluster::run_for(time_ms span_ms, const std::function<bool()>& is_done) {
  const time_ms until = now_ + span_ms;
  while (violation_.empty() && now_ < until) {
    if (is_done()) return true;
    run_until(std::min(until, now_ + 10));
  }
  return violation_.empty() && is_done();
}

// ---- cycles

bool simulated_cluster::crashes_at(crash_point point) {
  if (planned_crash_ && planned_crash_->first == cycles_ && planned_crash_->second == point) {
    planned_crash_.reset();
    return true;
  }
  return knobs_.crash != 0 && random_.permille(knobs_.crash) && random_.one_in(crash_point_count);
}

void simulated_cluster::crash_for_a_while(std::uint32_t number) {
  crash(number);
  restarts_.emplace_back(now_ + 1 + random_.below(restart_ms), number);
}

void simulated_cluster::run_cycle(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  driver& engine = *one.engine;
  ++cycles_;
  ++one.cycles;
  engine.begin_cycle(now_, *one.disk.log, one.disk);
  if (!one.is_started) {
    one.is_started = true;
    if (auto good = engine.start(); !good)
      return fail("node " + std::to_string(number) + " cannot start: " + to_string(good.failure()));
  }
  while (!one.inbox.empty() && !engine.failure()) {
    inbox_item item = std::move(one.inbox.front());
    one.inbox.pop_front();
    if (item.message == nullptr) {
      item.action(engine);
    } else if (auto good = engine.receive(item.from, std::move(*item.message)); !good && !engine.failure()) {
      return fail("node " + std::to_string(number) + ": " + to_string(good.failure()));
    }
  }
  if (now_ >= engine.next_deadline_ms()) engine.tick();
  one.pending = engine.end_cycle();
  if (engine.failure()) return fail("node " + std::to_string(number) + " stopped: " + to_string(*engine.failure()));
  if (!engine.has_changes()) return release(number);
  if (knobs_.faults.speaks_before_commit && now_ < one.committed_ms + unsynced_ms) return release(number);
  if (crashes_at(crash_point::before_commit)) return crash_for_a_while(number);
  one.has_pending_changes = true;
  if (knobs_.disk_ms_max == 0) {
    commit(number);
    if (crashes_at(crash_point::after_commit)) return crash_for_a_while(number);
    return release(number);
  }
  one.is_busy = true;
  event done;
  done.at = now_ + random_.below(knobs_.disk_ms_max + 1);
  done.to = number;
  done.is_commit = true;
  done.start = one.starts;
  push(std::move(done));
}

void simulated_cluster::commit(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  one.is_busy = false;
  one.has_pending_changes = false;
  one.committed_ms = now_;
  one.disk.commit();
  note_applied(number);
}

void simulated_cluster::note_applied(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  for (applied_command& done : one.disk.applied) {
    const auto [found, is_new] = applied_.try_emplace(done.index, truth{done.payload, done.hash_after});
    if (is_new) {
      applied_commands_.insert(std::move(done.payload));
    } else if (found->second.payload != done.payload || found->second.hash_after != done.hash_after) {
      fail("node " + std::to_string(number) + " applied something else at " + std::to_string(done.index));
    }
  }
  one.disk.applied.clear();
}

void simulated_cluster::release(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  effects out = std::exchange(one.pending, {});
  observe(number);
  const bool is_cut = crashes_at(crash_point::within_release);
  std::size_t left = is_cut ? random_.below(out.messages.size() + 1) : out.messages.size();
  for (outgoing_message& message : out.messages) {
    if (left-- == 0) break;
    send(number, std::move(message));
  }
  if (is_cut) return crash_for_a_while(number);
  for (const completion& done : out.completions) finish(number, done);
  for (const snapshot_id closed : out.snapshots_closed) one.copies.erase(closed);
  for (const snapshot_read& wanted : out.snapshot_reads) {
    auto [copy, is_new] = one.copies.try_emplace(wanted.id);
    if (is_new) {
      if (one.engine->applied().index < wanted.index) return fail("a snapshot was offered that is ahead of the state");
      copy->second = one.disk.copy();
      ++snapshots_;
    }
    std::string data = copy->second.substr(std::min<std::size_t>(wanted.offset, copy->second.size()), copy_chunk_bytes);
    const bool is_last = wanted.offset + data.size() >= copy->second.size();
    act(number, [id = wanted.id, offset = wanted.offset, data = std::move(data), is_last](driver& engine) {
      engine.snapshot_bytes(id, offset, data, is_last);
    });
  }
  if (out.discards_staged) one.disk.staged.clear();
  if (out.write) {
    if (out.write->offset == 0) one.disk.staged.clear();
    one.disk.staged += out.write->data;
    act(number, [bytes = one.disk.staged.size()](driver& engine) { engine.snapshot_written(bytes); });
  }
  if (out.swap) return install(number, *out.swap);
  if (crashes_at(crash_point::after_release)) return crash_for_a_while(number);
  wake(number, one.inbox.empty() ? one.engine->next_deadline_ms() : now_);
  if (out.is_another_cycle_due) wake(number, now_ + 1);
}

void simulated_cluster::install(std::uint32_t number, const snapshot_swap& swap) {
  simulated_node& one = nodes_[number];
  if (crashes_at(crash_point::before_swap)) return crash_for_a_while(number);
  if (!one.disk.swap_in(swap)) return fail("node " + std::to_string(number) + " staged something that is no snapshot");
  const log_index index = one.disk.log->load().applied.index;
  if (const auto found = applied_.find(index);
      found != applied_.end() && found->second.hash_after != one.disk.state.hash) {
    return fail("node " + std::to_string(number) + " installed another state of " + std::to_string(index));
  }
  if (crashes_at(crash_point::after_swap)) return crash_for_a_while(number);
  one.inbox.push_front({node_id{}, nullptr, [this](driver& engine) {
                          if (auto good = engine.snapshot_installed(); !good) fail(to_string(good.failure()));
                        }});
  wake(number, now_);
}

void simulated_cluster::observe(std::uint32_t number) {
  const driver& engine = *nodes_[number].engine;
  if (!engine.is_leader()) return;
  const term_number term = engine.status().term;
  const auto [found, is_new] = leaders_.try_emplace(term, number);
  if (!is_new && found->second != number) {
    fail("term " + std::to_string(term) + " has two leaders: " + std::to_string(found->second) + " and " +
         std::to_string(number));
  }
}

// ---- network

void simulated_cluster::send(std::uint32_t from, outgoing_message&& out) {
  const auto to = static_cast<std::uint32_t>(out.to.value);
  if (to == 0 || to > knobs_.nodes || nodes_[to].engine == nullptr || blocked_[from][to]) return;
  if (knobs_.drop != 0 && random_.permille(knobs_.drop)) return;
  if (knobs_.goes_through_bytes) {
    auto decoded = decode(encode(out.message));
    if (!decoded) return fail("a message does not survive its encoding: " + to_string(decoded.failure()));
    out.message = std::move(*decoded);
  }
  if (knobs_.duplicate != 0 && random_.permille(knobs_.duplicate)) {
    event twin;
    twin.at = now_ + random_.below(20ULL * knobs_.delay_ms_max);
    twin.to = to;
    twin.from = from;
    twin.message = std::make_unique<peer_message>(out.message);
    push(std::move(twin));
  }
  event sent;
  sent.at = std::max(now_ + 1 + random_.below(knobs_.delay_ms_max), last_delivery_[from][to]);
  last_delivery_[from][to] = sent.at;
  sent.to = to;
  sent.from = from;
  sent.message = std::make_unique<peer_message>(std::move(out.message));
  push(std::move(sent));
}

void simulated_cluster::connect(std::uint32_t a, std::uint32_t b) {
  if (nodes_[a].engine == nullptr || nodes_[b].engine == nullptr) return;
  const std::uint64_t to_a = ++last_session_;
  const std::uint64_t to_b = ++last_session_;
  act(a, [=](driver& engine) { engine.open_link(node_id{b}, to_a, to_b); });
  act(b, [=](driver& engine) { engine.open_link(node_id{a}, to_b, to_a); });
}

void simulated_cluster::disconnect(std::uint32_t a, std::uint32_t b) {
  act(a, [=](driver& engine) { engine.close_link(node_id{b}); });
  act(b, [=](driver& engine) { engine.close_link(node_id{a}); });
}

void simulated_cluster::reconnect(std::uint32_t a, std::uint32_t b) {
  disconnect(a, b);
  connect(a, b);
}

// ---- faults

void simulated_cluster::crash(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  if (one.engine == nullptr) return;
  // A commit that is under way may have reached the disk or not.
  if (one.is_busy && one.has_pending_changes && random_.one_in(2)) commit(number);
  one.disk.abort();
  one.engine.reset();
  one.inbox.clear();
  one.copies.clear();
  one.disk.staged.clear();
  one.pending = {};
  one.is_started = false;
  one.is_busy = false;
  one.has_pending_changes = false;
  one.wake_ms = 0;
  one.stalled_until_ms = 0;
  for (auto request = requests_.begin(); request != requests_.end();) {
    request = request->second.node == number ? requests_.erase(request) : std::next(request);
  }
  for (std::uint32_t i = 1; i <= knobs_.nodes; ++i) {
    if (i != number) act(i, [number](driver& engine) { engine.close_link(node_id{number}); });
  }
}

void simulated_cluster::restart(std::uint32_t number) {
  simulated_node& one = nodes_[number];
  if (one.engine != nullptr || gone_.contains(number)) return;
  std::erase_if(restarts_, [number](const auto& planned) { return planned.second == number; });
  one.options.random_seed = seed_ * 1000003 + ++one.starts;
  one.engine = std::make_unique<driver>(one.options);
  wake(number, now_);
  for (std::uint32_t i = 1; i <= knobs_.nodes; ++i) {
    if (i != number) connect(number, i);
  }
}

void simulated_cluster::crash_for_good(std::uint32_t number) {
  crash(number);
  gone_.insert(number);
}

void simulated_cluster::stall(std::uint32_t number, time_ms span_ms) {
  simulated_node& one = nodes_[number];
  if (one.engine != nullptr) one.stalled_until_ms = std::max(one.stalled_until_ms, now_ + span_ms);
}

void simulated_cluster::wipe(std::uint32_t number) {
  crash(number);
  nodes_[number].disk.log = std::make_unique<memory_log_store>();
  nodes_[number].disk.state = {};
  nodes_[number].disk.state_before = {};
}

void simulated_cluster::heal() {
  knobs_.drop = 0;
  knobs_.duplicate = 0;
  knobs_.crash = 0;
  knobs_.faults.speaks_before_commit = false;
  knobs_.delay_ms_max = 5;
  knobs_.disk_ms_max = std::min<std::uint32_t>(knobs_.disk_ms_max, 3);
  for (auto& row : blocked_) std::fill(row.begin(), row.end(), false);
  for (std::uint32_t a = 1; a <= knobs_.nodes; ++a) {
    restart(a);
    for (std::uint32_t b = 1; b < a; ++b) reconnect(a, b);
  }
}

void simulated_cluster::fail(const std::string& what) {
  if (violation_.empty()) violation_ = "at " + std::to_string(now_) + " ms: " + what;
}

}  // namespace hive::replication::testing
