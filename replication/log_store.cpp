#include "replication/log_store.hpp"

#include "replication/configuration.hpp"

namespace hive::replication {

result<void> found_cluster(log_store& log, const configuration& members) {
  if (auto good = check_configuration(members); !good) return good;
  const stored_state found = log.load();
  if (found.term != 0 || found.last != 0 || found.snapshot.index != 0) {
    return error{errc::failed_precondition, "this node is a member of a cluster already", {}};
  }
  // Not 1: a leader of libraft that looks for the entry before its first one would take the term of a snapshot point 1
  // for that of an entry, and would never send a snapshot to an empty follower.
  const state_point beginning{2, 1, 2, members};
  log.reset(beginning.index + 1);
  log.save_vote(beginning.term, node_id{});
  log.save_snapshot(beginning);
  log.save_applied(beginning);
  return {};
}

result<void> force_configuration(log_store& log, node_id self, const configuration& members) {
  if (auto good = check_configuration(members); !good) return good;
  if (!members.is_voter(self) || members.voter_count() != 1) {
    return error{errc::invalid_argument, "the recovering node must be the only voter", "members"};
  }
  const stored_state found = log.load();
  if (found.snapshot.index == 0 && found.last == 0) {
    return error{errc::failed_precondition, "this node is not a member of a cluster", {}};
  }
  log.append(found.last + 1, std::make_shared<const log_entry>(
                                 log_entry{found.term + 1, entry_type::change, encode_configuration(members)}));
  log.save_vote(found.term + 1, self);
  return {};
}

}  // namespace hive::replication
