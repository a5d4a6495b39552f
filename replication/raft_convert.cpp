#include "replication/raft_convert.hpp"

#include <new>

namespace hive::replication {

raft_entry to_raft(const log_entry& entry, void* batch) {
  raft_entry raw{};
  raw.term = entry.term;
  raw.type = static_cast<raft_entry_type>(entry.type);
  raw.buf.base = const_cast<char*>(entry.payload.data());
  raw.buf.len = entry.payload.size();
  raw.batch = batch;
  return raw;
}

raft_configuration to_raft(const configuration& members) {
  raft_configuration raw{};
  raft_configuration_init(&raw);
  for (const member& one : members.members) {
    if (raft_configuration_add(&raw, one.id.value, one.address.c_str(), static_cast<int>(one.role)) != 0) {
      raft_configuration_close(&raw);
      throw std::bad_alloc{};
    }
  }
  return raw;
}

raft_snapshot_metadata to_raft(const state_point& point) {
  raft_snapshot_metadata raw{};
  raw.index = point.index;
  raw.term = point.term;
  raw.configuration_index = point.configuration_index;
  raw.configuration = to_raft(point.members);
  return raw;
}

configuration from_raft(const raft_configuration& members) {
  configuration found;
  for (unsigned i = 0; i < members.n; ++i) {
    const raft_server& one = members.servers[i];
    found.members.push_back({node_id{one.id}, one.address, static_cast<member_role>(one.role)});
  }
  return found;
}

}  // namespace hive::replication
