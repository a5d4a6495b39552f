#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "base/ids.hpp"

namespace hive {

/// Who has free slots. Credit is slots (and prefetch) minus leases held, followed in log order from the outcomes of
/// commands, so an assignment on its way to the worker is never counted twice. What a worker says in heartbeats is not
/// used: it is older than what the log says.
///
/// Changes between begin() and rollback() can be undone, as a batch that fails to commit must leave no trace.
/// Pure and single-threaded: owned by the ledger.
class credit_book {
 public:
  struct offer {
    worker_id worker;
    session_number session;
    std::uint32_t slots = 0;
  };
  struct figures {
    std::uint32_t slots = 0;
    std::uint32_t used = 0;
  };

  /// Forgets what could be undone.
  void begin() { undo_.clear(); }
  /// Back to the state at begin().
  void rollback();
  /// Workers touched since begin(), in order of id.
  [[nodiscard]] std::vector<worker_id> touched() const;

  /// A session begins; `used` of its slots are taken. Replaces an older session.
  void open(worker_id worker, session_number session, std::uint32_t slots, std::uint32_t used, bool is_accepting);
  /// Nothing is offered to this worker until open() (its connection is gone); its leases stay counted. Ignored for
  /// another session than the current one.
  void suspend(worker_id worker, session_number session);
  void close(worker_id worker);
  /// Draining or not.
  void set_accepting(worker_id worker, bool is_accepting);
  /// How many tasks the worker may hold beyond its slots; they are offered only when no fitting worker has a slot free.
  /// 0 when a session begins. Ignored for another session than the current one.
  void set_prefetch(worker_id worker, session_number session, std::uint32_t tasks);
  /// `count` leases were made.
  void take(worker_id worker, std::uint32_t count);
  /// Undoes a take() of so many.
  void give_back(worker_id worker, std::uint32_t count);
  /// One lease ended. Ignored for workers without a session.
  void release(worker_id worker);

  /// Spreads at most `tasks` tasks over the workers that `is_wanted`, the least loaded first and among equals the one
  /// that was served longest ago; no worker gets more than its credit or than `slots_max`.
  [[nodiscard]] std::vector<offer> plan(std::uint64_t tasks, std::uint32_t slots_max,
                                        const std::function<bool(worker_id)>& is_wanted) const;

  [[nodiscard]] std::optional<figures> find(worker_id worker) const;

 private:
  struct entry {
    session_number session;
    std::uint32_t slots = 0;
    std::uint32_t used = 0;
    std::uint32_t prefetch = 0;
    bool is_accepting = true;
    bool is_connected = true;
    std::uint64_t served_at = 0;  // place in the order of service, not a time

    [[nodiscard]] std::uint32_t free() const {
      const std::uint32_t credit = slots + prefetch;
      return is_accepting && is_connected && credit > used ? credit - used : 0;
    }
  };
  // Load in permille, then who was served longest ago.
  using rank = std::tuple<std::uint32_t, std::uint64_t, worker_id>;

  static rank rank_of(worker_id worker, const entry& value);
  void remember(worker_id worker);
  void erase(worker_id worker);
  void put(worker_id worker, const entry& value);
  template <class Change>
  void change(worker_id worker, const Change& apply);

  std::map<worker_id, entry> entries_;
  std::set<rank> available_;  // exactly those with credit
  std::map<worker_id, std::optional<entry>> undo_;
  std::uint64_t served_count_ = 0;
};

}  // namespace hive
