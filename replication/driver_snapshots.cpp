// Snapshots: metadata through the library, the state out of band.
#include "replication/driver.hpp"
#include "replication/raft_convert.hpp"

namespace hive::replication {

namespace {

/// Chunk retries without progress before an installation is given up.
constexpr std::uint32_t stalled_retries = 4;

}  // namespace

// ---- sender

void driver::offer_snapshot(node_id to, const raft_message& message) {
  if (!links_.is_open(to)) return;
  const auto& request = message.install_snapshot;
  if (request.last_index != snapshot_.index || request.last_term != snapshot_.term) {
    failure_ = error{errc::internal, "the library offers a snapshot that is not the stored one", {}};
    return;
  }
  ++counters_.snapshots_offered;
  send(to, install_snapshot{request.term, snapshot_, offers_.add(to, snapshot_.index, now_)});
}

result<void> driver::on(node_id from, snapshot_pull& message) {
  const auto* offer = offers_.touch(message.snapshot, from, now_);
  if (offer == nullptr) {
    send(from, snapshot_chunk{message.snapshot, message.offset, {}, false, true});
  } else {
    effects_.snapshot_reads.push_back({message.snapshot, offer->index, message.offset, snapshot_chunk_bytes_max});
  }
  return {};
}

void driver::snapshot_bytes(snapshot_id id, std::uint64_t offset, std::string data, bool is_last) {
  const auto* offer = offers_.find(id);
  if (offer != nullptr) send(offer->peer, snapshot_chunk{id, offset, std::move(data), is_last, false});
}

void driver::snapshot_failed(snapshot_id id) {
  const auto* offer = offers_.find(id);
  if (offer == nullptr) return;
  send(offer->peer, snapshot_chunk{id, 0, {}, false, true});
  offers_.close(id);
}

// ---- receiver

void driver::begin_install(raft_snapshot_metadata& metadata) {
  install_operation begun;
  begun.from = install_from_;
  begun.snapshot = install_id_;
  begun.point = {metadata.index, metadata.term, metadata.configuration_index, from_raft(metadata.configuration)};
  begun.metadata = std::make_unique<raft_snapshot_metadata>(metadata);
  begun.progress_ms = now_;
  install_ = std::move(begun);
  ask_chunk();
}

void driver::ask_chunk() {
  install_->asked_ms = now_;
  send(install_->from, snapshot_pull{install_->snapshot, install_->offset});
}

result<void> driver::on(node_id from, snapshot_chunk& message) {
  if (!install_ || install_->from != from || install_->snapshot != message.snapshot) return {};
  if (install_->is_writing || install_->is_staged) return {};
  if (message.is_gone) {
    give_up_install();
    return {};
  }
  if (message.offset != install_->offset) return {};  // asked for twice
  if (message.data.empty() && !message.is_last) return {};
  install_->is_writing = true;
  install_->is_last = message.is_last;
  install_->progress_ms = now_;
  effects_.write = snapshot_write{message.offset, std::move(message.data), message.is_last};
  return {};
}

void driver::snapshot_written(std::uint64_t staged_bytes) {
  if (!install_ || !install_->is_writing) return;
  install_->is_writing = false;
  install_->offset = staged_bytes;
  install_->progress_ms = now_;
  if (!install_->is_last) return ask_chunk();
  install_->is_staged = true;
  effects_.swap = snapshot_swap{install_->point, raft_current_term(raft_.get()), node_id{raft_voted_for(raft_.get())}};
}

result<void> driver::snapshot_installed() {
  if (!install_ || !install_->is_staged) return error{errc::failed_precondition, "no snapshot is being installed", {}};
  const stored_state found = log_->load();
  if (found.snapshot.index != install_->point.index || found.applied.index < found.snapshot.index ||
      found.last + 1 != found.first) {
    failure_ = error{errc::data_loss, "the installed state is not that of the snapshot", {}};
    return *failure_;
  }
  first_ = found.first;
  last_ = found.last;
  snapshot_ = found.snapshot;
  applied_ = found.applied;
  is_applied_dirty_ = false;
  cursor_ = snapshot_.index;
  cache_.clear();
  // Nothing may have changed them between the swap and now; if it did, this is what holds.
  log_->save_vote(raft_current_term(raft_.get()), node_id{raft_voted_for(raft_.get())});
  has_changes_ = true;
  raft_event event{};
  event.type = RAFT_PERSISTED_SNAPSHOT;
  event.persisted_snapshot.metadata = *install_->metadata;
  event.persisted_snapshot.last = true;
  install_.reset();
  step(event);
  apply_committed();
  if (failure_) return *failure_;
  return {};
}

void driver::snapshot_refused() {
  if (install_) give_up_install();
}

void driver::watch_install() {
  if (!install_ || install_->is_writing || install_->is_staged) return;
  if (now_ - install_->progress_ms >= static_cast<time_ms>(options_.chunk_retry_ms) * stalled_retries) {
    give_up_install();
  } else if (now_ - install_->asked_ms >= options_.chunk_retry_ms) {
    ask_chunk();
  }
}

/// The library cannot give an installation up: it starts anew from what is stored, which an installation does not
/// touch.
void driver::give_up_install() {
  effects_.discards_staged = true;
  effects_.write.reset();
  restart_library();
}

result<void> prepare_installed(log_store& copy, const snapshot_swap& swap) {
  const stored_state found = copy.load();
  if (found.applied.index < swap.point.index) {
    return error{errc::data_loss,
                 "the copied state has reached " + std::to_string(found.applied.index) + ", the snapshot is of " +
                     std::to_string(swap.point.index),
                 {}};
  }
  copy.reset(swap.point.index + 1);
  copy.save_snapshot(swap.point);
  copy.save_vote(swap.term, swap.voted_for);
  return {};
}

}  // namespace hive::replication
