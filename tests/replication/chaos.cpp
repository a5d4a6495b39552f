#include "tests/replication/chaos.hpp"

namespace hive::replication::testing {

namespace {

constexpr time_ms liveness_ms_max = 30'000;
constexpr time_ms stall_ms_max = 2'000;
constexpr std::size_t steps_min = 30;
constexpr std::size_t steps_span = 50;

simulation_knobs random_knobs(random_source& random, chaos_profile profile, const workarounds& quirks) {
  simulation_knobs knobs;
  knobs.nodes = profile == chaos_profile::three_nodes ? 3 : 5;
  knobs.founders = profile == chaos_profile::five_nodes ? 5 : 3;
  knobs.options = small_options();
  knobs.options.quirks = quirks;
  knobs.options.inflight_entries_max = static_cast<std::uint32_t>(4 + random.below(60));
  if (random.one_in(4)) knobs.options.message_bytes_max = 200;
  if (random.one_in(4)) knobs.options.cache_bytes_max = 300;
  if (random.one_in(3)) knobs.disk_ms_max = static_cast<std::uint32_t>(random.below(40));
  if (random.one_in(2)) knobs.crash = static_cast<std::uint32_t>(random.below(40));
  if (random.one_in(2)) knobs.duplicate = static_cast<std::uint32_t>(random.below(50));
  knobs.goes_through_bytes = random.one_in(8);
  return knobs;
}

/// One life. A class because its steps share a lot.
class chaos {
 public:
  chaos(std::uint64_t seed, chaos_profile profile, const workarounds& quirks, const simulated_faults& faults)
      : random_(seed ^ 0x5eedULL), profile_(profile), cluster_(seed, random_knobs(random_, profile, quirks)) {
    cluster_.knobs().faults = faults;
  }

  chaos_result run() {
    cluster_.run_until(cluster_.now() + 1000);
    const std::size_t steps = steps_min + random_.below(steps_span);
    for (std::size_t i = 0; i < steps && cluster_.violation().empty(); ++i) {
      step();
      cluster_.run_until(cluster_.now() + random_.below(250));
    }
    result_.violation = cluster_.violation();
    if (result_.violation.empty()) finish();
    for (const auto& [request, outcome] : cluster_.outcomes()) {
      if (!outcome.empty()) continue;
      ++(changes_.contains(request) ? result_.changes : result_.transfers);
    }
    result_.acknowledged = cluster_.acknowledged();
    result_.reads = cluster_.reads_answered();
    result_.elections = cluster_.elections();
    result_.snapshots = cluster_.snapshots();
    result_.cycles = cluster_.cycles();
    return result_;
  }

 private:
  std::uint32_t any() { return static_cast<std::uint32_t>(1 + random_.below(cluster_.size())); }

  void step() {
    switch (random_.below(14)) {
      case 0:
      case 1:
      case 2:
        return clients();
      case 3:
        return crash_or_restart();
      case 4:
        return isolate();
      case 5:
        return block_pair();
      case 6:
        return cluster_.reconnect(1, static_cast<std::uint32_t>(2 + random_.below(cluster_.size() - 1)));
      case 7:
        return mend();
      case 8:
        return disturb_network();
      case 9:
        return profile_ == chaos_profile::changing_members ? change_members() : clients();
      case 10:
        return profile_ == chaos_profile::changing_members && random_.one_in(2) ? change_members() : transfer();
      case 11:
        return cluster_.stall(random_.one_in(2) && cluster_.leader() != 0 ? cluster_.leader() : any(),
                              random_.below(stall_ms_max));
      default:
        return isolate_follower_for_long();
    }
  }

  void clients() {
    for (std::uint64_t i = 1 + random_.below(8); i > 0; --i) {
      const std::uint32_t leading = cluster_.leader();
      const std::uint32_t to = leading != 0 && !random_.one_in(5) ? leading : any();
      if (random_.one_in(2)) {
        cluster_.read(random_.one_in(2) ? to : any());
      } else {
        cluster_.write(to, 1 + random_.below(4));
      }
    }
  }

  void crash_or_restart() {
    const std::uint32_t number = any();
    if (cluster_.node(number).engine == nullptr) return cluster_.restart(number);
    cluster_.crash(number);
  }

  /// Several at the same moment, perhaps all.
  void lose_power() {
    const bool is_total = random_.one_in(3);
    for (std::uint32_t i = 1; i <= cluster_.size(); ++i) {
      if (is_total || random_.one_in(2)) cluster_.crash(i);
    }
    for (std::uint32_t i = 1; i <= cluster_.size(); ++i) {
      cluster_.run_until(cluster_.now() + random_.below(50));
      if (!random_.one_in(4)) cluster_.restart(i);
    }
  }

  void isolate() {
    const std::uint32_t number = random_.one_in(2) && cluster_.leader() != 0 ? cluster_.leader() : any();
    const bool breaks_links = random_.one_in(2);
    for (std::uint32_t i = 1; i <= cluster_.size(); ++i) {
      if (i == number) continue;
      cluster_.block(number, i);
      cluster_.block(i, number);
      if (breaks_links) cluster_.disconnect(number, i);
    }
  }

  void block_pair() {
    const std::uint32_t a = any();
    const std::uint32_t b = any();
    if (a == b) return;
    cluster_.block(a, b);
    if (random_.one_in(2)) cluster_.block(b, a);
  }

  /// So that it falls behind the others' logs.
  void isolate_follower_for_long() {
    const std::uint32_t leading = cluster_.leader();
    const std::uint32_t number = any();
    if (leading == 0 || number == leading) return;
    cluster_.block(leading, number);
    for (int i = 0; i < 12 && cluster_.violation().empty(); ++i) {
      cluster_.write(cluster_.leader() != 0 ? cluster_.leader() : leading, 4);
      cluster_.run_until(cluster_.now() + 20);
    }
    cluster_.unblock(leading, number);
  }

  void mend() {
    const auto knobs = cluster_.knobs();
    cluster_.heal();
    cluster_.knobs() = knobs;
    cluster_.knobs().drop = 0;
  }

  void disturb_network() {
    cluster_.knobs().drop = static_cast<std::uint32_t>(random_.below(300));
    cluster_.knobs().delay_ms_max = static_cast<std::uint32_t>(1 + random_.below(80));
  }

  void transfer() {
    const std::uint32_t leading = cluster_.leader();
    if (leading != 0) cluster_.transfer(leading, random_.one_in(2) ? 0 : any());
  }

  void change_members() {
    const std::uint32_t leading = cluster_.leader();
    if (leading == 0) return;
    const std::uint32_t number = any();
    const auto members = cluster_.status(leading).members;
    const member* found = members.find(node_id{number});
    membership_change what{change_kind::add_stand_by, node_id{number}, "n" + std::to_string(number), false};
    if (found != nullptr && found->role == member_role::stand_by) {
      what.kind = random_.one_in(5) ? change_kind::remove : change_kind::promote;
    } else if (found != nullptr) {
      what.kind = random_.one_in(2) ? change_kind::demote : change_kind::remove;
    }
    changes_.insert(cluster_.change(leading, what));
  }

  /// Any majority must do.
  void lose_minority() {
    if (profile_ == chaos_profile::changing_members || random_.one_in(2)) return;
    for (std::uint32_t i = 0; i < cluster_.size() / 2; ++i) cluster_.crash_for_good(any());
  }

  /// Liveness: a healed cluster leads, agrees, writes and reads in bounded time.
  void finish() {
    lose_minority();
    cluster_.heal();
    if (!cluster_.run_for(liveness_ms_max, [this] { return cluster_.is_converged(); })) return stuck("does not agree");
    const std::uint64_t written = cluster_.acknowledged();
    const std::uint64_t answered = cluster_.reads_answered();
    const bool is_written = cluster_.run_for(liveness_ms_max, [&] {
      if (cluster_.now() >= next_probe_ms_ && cluster_.leader() != 0) probe();
      return cluster_.acknowledged() > written && cluster_.reads_answered() > answered && cluster_.is_converged();
    });
    // A life with all operations per key used up cannot probe any more.
    const bool can_probe = cluster_.history().has_room(0) && cluster_.history().has_room(1) &&
                           cluster_.history().has_room(2) && cluster_.history().has_room(3);
    if (!is_written && can_probe) return stuck("does not write and read");
    cluster_.check_end();
    result_.violation = cluster_.violation();
  }

  void probe() {
    next_probe_ms_ = cluster_.now() + 500;
    cluster_.write(cluster_.leader(), 1);
    const auto members = cluster_.status(cluster_.leader()).members.members;
    if (!members.empty()) cluster_.read(static_cast<std::uint32_t>(members[random_.below(members.size())].id.value));
  }

  void stuck(const std::string& what) {
    result_.violation = cluster_.violation();
    if (result_.violation.empty()) result_.violation = "the healed cluster " + what + ":" + cluster_.describe();
  }

  random_source random_;
  chaos_profile profile_;
  simulated_cluster cluster_;
  std::set<ticket> changes_;
  time_ms next_probe_ms_ = 0;
  chaos_result result_;
};

}  // namespace

driver_options small_options() {
  driver_options options;
  options.election_ms = 300;
  options.heartbeat_ms = 60;
  options.install_ms_max = 3000;
  options.chunk_retry_ms = 200;
  options.change_ms_max = 4000;
  options.inflight_entries_max = 32;
  options.trailing_entries = 12;
  options.compact_step = 8;
  options.pinned_entries_max = 120;
  options.uncommitted_entries_max = 400;
  return options;
}

chaos_result run_chaos(std::uint64_t seed, chaos_profile profile, const workarounds& quirks,
                       const simulated_faults& faults) {
  return chaos{seed, profile, quirks, faults}.run();
}

}  // namespace hive::replication::testing
