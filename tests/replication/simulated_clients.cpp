// The clients of a simulated cluster, and what is true at its end.
#include "tests/replication/simulated_cluster.hpp"

namespace hive::replication::testing {

void simulated_cluster::act(std::uint32_t number, std::function<void(driver&)> action) {
  if (nodes_[number].engine == nullptr) return;
  nodes_[number].inbox.push_back({node_id{}, nullptr, std::move(action)});
  wake(number, now_);
}

void simulated_cluster::write(std::uint32_t number, std::size_t count) {
  if (nodes_[number].engine == nullptr) return;
  const ticket request{++last_ticket_};
  client_request& asked = requests_[request.value];
  asked = {number, true, {}};
  std::vector<std::string> commands;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t key = random_.below(register_count);
    if (!history_.has_room(key)) continue;
    const std::uint64_t value = ++last_value_;
    asked.operations.push_back({key, history_.call_write(key, value), value});
    commands.push_back(write_command(key, value));
  }
  if (commands.empty()) {
    requests_.erase(request.value);
    return;
  }
  act(number, [this, number, request, commands = std::move(commands)](driver& engine) {
    auto good = engine.submit(request, commands);
    if (!good) finish(number, {request, good.failure(), false, 0});
  });
}

void simulated_cluster::read(std::uint32_t number) {
  const std::uint64_t key = random_.below(register_count);
  if (nodes_[number].engine == nullptr || !history_.has_room(key)) return;
  const ticket request{++last_ticket_};
  requests_[request.value] = {number, false, {{key, history_.call_read(key), 0}}};
  act(number, [this, number, request](driver& engine) {
    if (knobs_.faults.reads_locally) return finish(number, {request, std::nullopt, false, 0});
    auto good = engine.read(request);
    if (!good) finish(number, {request, good.failure(), false, 0});
  });
}

ticket simulated_cluster::change(std::uint32_t number, const membership_change& what) {
  const ticket request{++last_ticket_};
  act(number, [this, request, what](driver& engine) {
    if (auto good = engine.change(request, what); !good) outcomes_[request] = to_string(good.failure());
  });
  return request;
}

ticket simulated_cluster::transfer(std::uint32_t number, std::uint32_t to) {
  const ticket request{++last_ticket_};
  act(number, [this, request, to](driver& engine) {
    if (auto good = engine.transfer(request, node_id{to}); !good) outcomes_[request] = to_string(good.failure());
  });
  return request;
}

void simulated_cluster::finish(std::uint32_t number, const completion& one) {
  const auto found = requests_.find(one.request.value);
  if (found == requests_.end()) {
    outcomes_[one.request] = one.failure ? to_string(*one.failure) : "";
    return;
  }
  const client_request asked = std::move(found->second);
  requests_.erase(found);
  for (const client_operation& done : asked.operations) {
    if (one.failure) {
      if (!one.is_outcome_unknown) history_.forget(done.key, done.number);
      continue;
    }
    if (asked.is_write) {
      history_.answer(done.key, done.number, done.value);
      acknowledged_commands_.insert(write_command(done.key, done.value));
      ++acknowledged_;
    } else {
      history_.answer(done.key, done.number, nodes_[number].disk.state.registers[done.key]);
      ++reads_answered_;
    }
  }
}

// ---- what is

std::uint32_t simulated_cluster::leader() const {
  std::uint32_t best = 0;
  term_number term = 0;
  for (std::uint32_t i = 1; i <= knobs_.nodes; ++i) {
    if (nodes_[i].engine == nullptr || !nodes_[i].engine->is_leader()) continue;
    const term_number own = nodes_[i].engine->status().term;
    if (own > term) best = i;
    term = std::max(term, own);
  }
  return best;
}

driver_status simulated_cluster::status(std::uint32_t number) const {
  return nodes_[number].engine == nullptr ? driver_status{} : nodes_[number].engine->status();
}

bool simulated_cluster::is_converged() const {
  const std::uint32_t leading = leader();
  if (leading == 0) return false;
  const driver_status best = status(leading);
  if (best.commit != best.last || best.applied != best.last || best.is_change_pending) return false;
  for (const member& one : best.members.members) {
    const auto number = static_cast<std::uint32_t>(one.id.value);
    if (gone_.contains(number)) continue;
    if (nodes_[number].engine == nullptr || nodes_[number].is_busy) return false;
    const driver_status found = status(number);
    if (found.applied != best.last || found.is_installing || found.is_change_pending) return false;
    if (!(nodes_[number].disk.state == nodes_[leading].disk.state)) return false;
  }
  return true;
}

void simulated_cluster::check_end() {
  if (!violation_.empty()) return;
  for (const std::string& one : acknowledged_commands_) {
    if (!applied_commands_.contains(one)) return fail("an acknowledged write was lost");
  }
  if (const std::string found = history_.find_violation(); !found.empty()) fail(found);
}

std::string simulated_cluster::describe() const {
  std::string text;
  for (std::uint32_t i = 1; i <= knobs_.nodes; ++i) {
    const driver_status one = status(i);
    text += "\n  node " + std::to_string(i) + (nodes_[i].engine == nullptr ? " down" : "") + " role " +
            std::to_string(static_cast<int>(one.role)) + " term " + std::to_string(one.term) + " leader " +
            std::to_string(one.leader.value) + " log " + std::to_string(one.first) + ".." + std::to_string(one.last) +
            " commit " + std::to_string(one.commit) + " applied " + std::to_string(one.applied) + " snapshot " +
            std::to_string(one.snapshot) + (one.is_installing ? " installing" : "") +
            (one.is_change_pending ? " change open" : "") + " members";
    for (const member& who : one.members.members) {
      text += " " + std::to_string(who.id.value) + (who.role == member_role::voter ? "v" : "s");
    }
  }
  return text;
}

}  // namespace hive::replication::testing
