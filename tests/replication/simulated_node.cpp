#include "tests/replication/simulated_node.hpp"

#include <cstring>

#include "core/keys.hpp"
#include "replication/configuration.hpp"

namespace hive::replication::testing {

void register_state::apply(std::string_view command) {
  for (const char one : command) hash = (hash ^ static_cast<unsigned char>(one)) * 1099511628211ULL;
  ++commands;
  registers[core::read_u64(command, 0) % register_count] = core::read_u64(command, 8);
}

std::string write_command(std::uint64_t key, std::uint64_t value) {
  return std::string{core::key{}.u64(key).u64(value).view()};
}

void simulated_disk::apply(log_index index, const log_entry& command) {
  state.apply(command.payload);
  applied.push_back({index, command.payload, state.hash});
}

void simulated_disk::commit() {
  log->commit();
  state_before = state;
}

void simulated_disk::abort() {
  log->abort();
  state = state_before;
  applied.clear();
}

std::string simulated_disk::copy() const {
  const state_point at = log->load().applied;
  std::string bytes{core::key{}.u64(at.index).u64(at.term).u64(at.configuration_index).view()};
  bytes.append(core::key{}.u64(state.hash).u64(state.commands).view());
  for (const std::uint64_t one : state.registers) bytes.append(core::key{}.u64(one).view());
  return bytes + encode_configuration(at.members);
}

bool simulated_disk::swap_in(const snapshot_swap& swap) {
  constexpr std::size_t head_bytes = 8 * (5 + register_count);
  if (staged.size() < head_bytes) return false;
  auto members = decode_configuration(std::string_view{staged}.substr(head_bytes));
  if (!members) return false;
  auto copied = std::make_unique<memory_log_store>();
  copied->save_applied({core::read_u64(staged, 0), core::read_u64(staged, 8), core::read_u64(staged, 16), *members});
  if (!prepare_installed(*copied, swap)) return false;
  copied->commit();
  log = std::move(copied);
  state.hash = core::read_u64(staged, 24);
  state.commands = core::read_u64(staged, 32);
  for (std::size_t i = 0; i < register_count; ++i) state.registers[i] = core::read_u64(staged, 40 + 8 * i);
  state_before = state;
  staged.clear();
  return true;
}

}  // namespace hive::replication::testing
