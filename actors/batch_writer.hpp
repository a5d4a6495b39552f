#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "actors/credit_book.hpp"
#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"
#include "core/machine.hpp"

namespace hive {

/// A request and, once it was written, what became of it: outcomes, or a failure of the whole batch.
struct pending_write {
  ledger_request_ptr request;
  std::vector<v1::Outcome> outcomes;
  std::optional<error> failure;
};

/// The write path of one shard without an actor: requests become one transaction, together with the offers of free
/// slots that they make possible. Owned by the ledger; single-threaded.
class batch_writer {
 public:
  explicit batch_writer(service_context_ptr context);

  /// Reads the machine's caches from the store. Must succeed before the first write().
  result<void> load();

  /// Applies the requests in order in one transaction and commits it. Fills outcomes or failure of each. A store that
  /// is full refuses new work and takes the rest; a batch that fails on an internal error is tried again request by
  /// request, so that one cannot spoil its neighbours. `out` gets the effects of what is durable. False if nothing of
  /// it is.
  bool write(std::span<pending_write> batch, core::effects& out);

  /// The connection of a session is gone: nothing is offered to it.
  void suspend(worker_id worker, session_number session) { book_.suspend(worker, session); }

  /// After write(): tasks are left that a worker with credit would take (a limit of the batch was reached).
  [[nodiscard]] bool has_more() const { return has_more_; }
  /// Due time of the first timer after the last commit; -1: none.
  [[nodiscard]] std::int64_t next_due_unix_ms() const { return next_due_unix_ms_; }
  [[nodiscard]] const credit_book& book() const { return book_; }

 private:
  bool write_one_by_one(std::span<pending_write> batch, core::effects& out);
  result<void> attempt(std::span<pending_write> batch, core::effects& out, bool is_refusing_new_work);
  void apply_all(std::span<pending_write> batch, core::effects& out, core::table_transaction& tables,
                 bool is_refusing_new_work);
  void release_from(const core::effects& out, std::size_t first);
  void offer_slots(core::effects& out, core::table_transaction& tables);
  void abort_batch(core::effects& out);
  void publish_sessions(std::span<pending_write> batch);
  std::int64_t stamp();

  service_context_ptr context_;
  core::machine machine_;
  credit_book book_;
  bool is_loaded_ = false;
  bool has_more_ = false;
  std::int64_t last_time_ = 0;
  std::int64_t next_due_unix_ms_ = -1;
};

/// Commands that need room: refused while the store is nearly full, with this outcome.
bool is_new_work(const v1::Command& command);
v1::Outcome storage_full();

/// What a command that was applied says about sessions: who has slots to offer from now on.
void account_session(credit_book& book, const ledger_request& request, const v1::Command& command,
                     const v1::Outcome& outcome);
/// After the commit: the sessions that these requests have opened can be found by whoever pushes to them.
void open_sessions(session_table& sessions, std::span<const pending_write> batch);

}  // namespace hive
