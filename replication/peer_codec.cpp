#include "replication/peer_codec.hpp"

#include "hive/v1/replication.pb.h"
#include "replication/configuration.hpp"

namespace hive::replication {

namespace {

error refuse(const std::string& what, const std::string& field) {
  return error{errc::invalid_argument, "peer message refused: " + what, field};
}

// ---- to protobuf

void write(const append_entries& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_append_entries();
  body.set_term(from.term);
  body.set_previous_index(from.previous_index);
  body.set_previous_term(from.previous_term);
  body.set_commit_index(from.commit_index);
  body.mutable_entries()->Reserve(static_cast<int>(from.entries.size()));
  for (const entry_ptr& one : from.entries) {
    auto& entry = *body.add_entries();
    entry.set_term(one->term);
    entry.set_type(static_cast<v1::LogEntryType>(one->type));
    entry.set_payload(one->payload);
  }
}

void write(const append_result& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_append_entries_result();
  body.set_term(from.term);
  body.set_rejected_index(from.rejected_index);
  body.set_last_index(from.last_index);
}

void write(const vote_request& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_request_vote();
  body.set_term(from.term);
  body.set_last_index(from.last_index);
  body.set_last_term(from.last_term);
  body.set_disrupts_leader(from.disrupts_leader);
  body.set_is_pre_vote(from.is_pre_vote);
}

void write(const vote_result& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_request_vote_result();
  body.set_term(from.term);
  body.set_is_granted(from.is_granted);
  body.set_is_pre_vote(from.is_pre_vote);
}

void write(const install_snapshot& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_install_snapshot();
  body.set_term(from.term);
  body.set_last_index(from.point.index);
  body.set_last_term(from.point.term);
  body.set_configuration_index(from.point.configuration_index);
  body.set_configuration(encode_configuration(from.point.members));
  body.set_snapshot_id(from.snapshot.value);
}

void write(const timeout_now& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_timeout_now();
  body.set_term(from.term);
  body.set_last_index(from.last_index);
  body.set_last_term(from.last_term);
}

void write(const read_ping& from, v1::PeerMessage& to) {
  to.mutable_read_ping()->set_term(from.term);
  to.mutable_read_ping()->set_round(from.round);
}

void write(const read_pong& from, v1::PeerMessage& to) {
  to.mutable_read_pong()->set_term(from.term);
  to.mutable_read_pong()->set_round(from.round);
}

void write(const read_query& from, v1::PeerMessage& to) { to.mutable_read_query()->set_query(from.query); }

void write(const read_answer& from, v1::PeerMessage& to) {
  to.mutable_read_answer()->set_query(from.query);
  to.mutable_read_answer()->set_index(from.index);
}

void write(const snapshot_pull& from, v1::PeerMessage& to) {
  to.mutable_snapshot_pull()->set_snapshot_id(from.snapshot.value);
  to.mutable_snapshot_pull()->set_offset(from.offset);
}

void write(const snapshot_chunk& from, v1::PeerMessage& to) {
  auto& body = *to.mutable_snapshot_chunk();
  body.set_snapshot_id(from.snapshot.value);
  body.set_offset(from.offset);
  body.set_data(from.data);
  body.set_is_last(from.is_last);
  body.set_is_gone(from.is_gone);
}

// ---- from protobuf

result<message_body> read_entries(v1::AppendEntries& from) {
  append_entries to{from.term(), from.previous_index(), from.previous_term(), from.commit_index(), {}};
  if (static_cast<std::size_t>(from.entries_size()) > entries_per_message_max) {
    return refuse("more than " + std::to_string(entries_per_message_max) + " entries", "append_entries.entries");
  }
  to.entries.reserve(static_cast<std::size_t>(from.entries_size()));
  for (v1::LogEntry& one : *from.mutable_entries()) {
    if (one.type() < v1::LOG_ENTRY_TYPE_COMMAND || one.type() > v1::LOG_ENTRY_TYPE_CHANGE) {
      return refuse("unknown type of entry", "append_entries.entries.type");
    }
    to.entries.push_back(std::make_shared<const log_entry>(
        log_entry{one.term(), static_cast<entry_type>(one.type()), std::move(*one.mutable_payload())}));
  }
  return message_body{std::move(to)};
}

result<message_body> read_install(const v1::InstallSnapshot& from) {
  auto members = decode_configuration(from.configuration());
  if (!members) return refuse(members.failure().message, "install_snapshot.configuration");
  return message_body{install_snapshot{
      from.term(), state_point{from.last_index(), from.last_term(), from.configuration_index(), std::move(*members)},
      snapshot_id{from.snapshot_id()}}};
}

result<message_body> read_body(v1::PeerMessage& from) {
  switch (from.body_case()) {
    case v1::PeerMessage::kAppendEntries:
      return read_entries(*from.mutable_append_entries());
    case v1::PeerMessage::kAppendEntriesResult: {
      const auto& body = from.append_entries_result();
      return message_body{append_result{body.term(), body.rejected_index(), body.last_index()}};
    }
    case v1::PeerMessage::kRequestVote: {
      const auto& body = from.request_vote();
      return message_body{
          vote_request{body.term(), body.last_index(), body.last_term(), body.disrupts_leader(), body.is_pre_vote()}};
    }
    case v1::PeerMessage::kRequestVoteResult: {
      const auto& body = from.request_vote_result();
      return message_body{vote_result{body.term(), body.is_granted(), body.is_pre_vote()}};
    }
    case v1::PeerMessage::kInstallSnapshot:
      return read_install(from.install_snapshot());
    case v1::PeerMessage::kTimeoutNow: {
      const auto& body = from.timeout_now();
      return message_body{timeout_now{body.term(), body.last_index(), body.last_term()}};
    }
    case v1::PeerMessage::kReadPing:
      return message_body{read_ping{from.read_ping().term(), from.read_ping().round()}};
    case v1::PeerMessage::kReadPong:
      return message_body{read_pong{from.read_pong().term(), from.read_pong().round()}};
    case v1::PeerMessage::kReadQuery:
      return message_body{read_query{from.read_query().query()}};
    case v1::PeerMessage::kReadAnswer:
      return message_body{read_answer{from.read_answer().query(), from.read_answer().index()}};
    case v1::PeerMessage::kSnapshotPull:
      return message_body{
          snapshot_pull{snapshot_id{from.snapshot_pull().snapshot_id()}, from.snapshot_pull().offset()}};
    case v1::PeerMessage::kSnapshotChunk: {
      auto& body = *from.mutable_snapshot_chunk();
      return message_body{snapshot_chunk{snapshot_id{body.snapshot_id()}, body.offset(),
                                         std::move(*body.mutable_data()), body.is_last(), body.is_gone()}};
    }
    case v1::PeerMessage::BODY_NOT_SET:
      break;
  }
  return refuse("it has no known body", "body");
}

// ---- checks

/// Terms and indexes are counted up one by one, so no honest peer comes near; and the library subtracts and adds them.
constexpr std::uint64_t count_limit = 1ULL << 56;

struct body_check {
  result<void> operator()(const append_entries& body) const;
  result<void> operator()(const append_result& body) const {
    if (body.term == 0 || body.term > count_limit) return refuse("term", "append_entries_result.term");
    if (body.last_index > count_limit) return refuse("index", "append_entries_result.last_index");
    if (body.rejected_index != 0 && body.last_index >= body.rejected_index) {
      return refuse("a rejected index that the sender has", "append_entries_result.rejected_index");
    }
    return {};
  }
  result<void> operator()(const vote_request& body) const {
    return check_last(body.term, body.last_index, body.last_term, "request_vote");
  }
  result<void> operator()(const vote_result& body) const {
    if (body.term > count_limit) return refuse("term", "request_vote_result.term");
    return {};
  }
  result<void> operator()(const install_snapshot& body) const {
    const std::string path = "install_snapshot";
    if (!body.snapshot.is_set()) return refuse("no snapshot id", path + ".snapshot_id");
    if (body.point.index == 0) return refuse("no index", path + ".last_index");
    if (auto good = check_last(body.term, body.point.index, body.point.term, path); !good) return good;
    if (body.point.configuration_index == 0 || body.point.configuration_index > body.point.index) {
      return refuse("a configuration from outside the snapshot", path + ".configuration_index");
    }
    return check_configuration(body.point.members);
  }
  result<void> operator()(const timeout_now& body) const {
    return check_last(body.term, body.last_index, body.last_term, "timeout_now");
  }
  result<void> operator()(const read_ping&) const { return {}; }
  result<void> operator()(const read_pong&) const { return {}; }
  result<void> operator()(const read_query&) const { return {}; }
  result<void> operator()(const read_answer&) const { return {}; }
  result<void> operator()(const snapshot_pull& body) const {
    if (!body.snapshot.is_set()) return refuse("no snapshot id", "snapshot_pull.snapshot_id");
    return {};
  }
  result<void> operator()(const snapshot_chunk& body) const {
    if (!body.snapshot.is_set()) return refuse("no snapshot id", "snapshot_chunk.snapshot_id");
    if (body.data.size() > snapshot_chunk_bytes_max) return refuse("more than 1 MiB", "snapshot_chunk.data");
    return {};
  }

  static result<void> check_last(term_number term, log_index last_index, term_number last_term,
                                 const std::string& path) {
    if (term == 0 || term > count_limit) return refuse("term", path + ".term");
    if (last_index > count_limit) return refuse("index", path + ".last_index");
    if ((last_index == 0) != (last_term == 0) || last_term > term)
      return refuse("term of the last", path + ".last_term");
    return {};
  }
};

result<void> body_check::operator()(const append_entries& body) const {
  const std::string path = "append_entries";
  if (body.term == 0 || body.term > count_limit) return refuse("term", path + ".term");
  if (body.previous_index > count_limit) return refuse("index", path + ".previous_index");
  if ((body.previous_index == 0) != (body.previous_term == 0) || body.previous_term > body.term) {
    return refuse("term of the previous entry", path + ".previous_term");
  }
  // Every log begins after a snapshot point, so that the first entry is never sent.
  if (body.previous_index == 0 && !body.entries.empty())
    return refuse("entries from the first", path + ".previous_index");
  if (body.commit_index > count_limit) return refuse("index", path + ".commit_index");
  if (body.entries.size() > entries_per_message_max) return refuse("too many", path + ".entries");
  term_number term = body.previous_term;
  for (std::size_t i = 0; i < body.entries.size(); ++i) {
    const log_entry* one = body.entries[i].get();
    const auto place = [&] { return path + ".entries[" + std::to_string(i) + "]"; };
    if (one == nullptr) return refuse("no entry", place());
    if (one->term == 0 || one->term < term || one->term > body.term) return refuse("falling terms", place() + ".term");
    term = one->term;
    if (one->type < entry_type::command || one->type > entry_type::change) return refuse("type", place() + ".type");
    if (one->type != entry_type::change) continue;
    if (auto members = decode_configuration(one->payload); !members) {
      return refuse(members.failure().message, place() + ".payload");
    }
  }
  return {};
}

}  // namespace

v1::PeerMessage to_wire(const peer_message& message) {
  v1::PeerMessage packed;
  packed.set_session(message.session);
  packed.set_sequence(message.sequence);
  std::visit([&packed](const auto& body) { write(body, packed); }, message.body);
  return packed;
}

std::string encode(const peer_message& message) { return to_wire(message).SerializeAsString(); }

result<void> check_message(const peer_message& message) { return std::visit(body_check{}, message.body); }

result<peer_message> decode(std::string_view bytes) {
  if (bytes.size() > message_bytes_limit) return refuse("more than 256 MiB", "");
  v1::PeerMessage packed;
  if (!packed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return refuse("not a message", "");
  return from_wire(std::move(packed));
}

result<peer_message> from_wire(v1::PeerMessage&& packed) {
  auto body = read_body(packed);
  if (!body) return body.failure();
  peer_message message{packed.session(), packed.sequence(), std::move(*body)};
  if (auto good = check_message(message); !good) return good.failure();
  return message;
}

}  // namespace hive::replication
