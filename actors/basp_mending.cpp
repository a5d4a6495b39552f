#include "actors/basp_mending.hpp"

#include <chrono>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <caf/send.hpp>

namespace hive {
namespace {

constexpr std::chrono::seconds forgetting_interval{60};

/// Runs `change` with the broker on its own thread, unless it has ended.
template <class Change>
void post(caf::actor_system& system, const caf::actor& basp, Change change) {
  system.middleman().backend().post([basp, change = std::move(change)] {
    auto* const broker = static_cast<caf::io::basp_broker*>(caf::actor_cast<caf::abstract_actor*>(basp));
    if (!broker->getf(caf::abstract_actor::is_terminated_flag)) change(*broker);
  });
}

}  // namespace

void expect_handshake(caf::actor_system& system, const caf::actor& basp, caf::io::connection_handle connection) {
  post(system, basp, [connection](caf::io::basp_broker& broker) {
    auto& context = broker.ctx[connection];
    context.hdl = connection;
    context.last_seen = broker.clock().now();
  });
}

void forget_gone_processes(caf::actor_system& system, const caf::actor& basp) {
  post(system, basp, [](caf::io::basp_broker& broker) {
    for (auto entry = broker.spawn_servers.begin(); entry != broker.spawn_servers.end();) {
      if (broker.instance.tbl().lookup(entry->first)) {
        ++entry;
        continue;
      }
      caf::anon_send_exit(entry->second, caf::exit_reason::kill);
      entry = broker.spawn_servers.erase(entry);
    }
  });
}

caf::actor start_forgetting_processes(caf::actor_system& system) {
  const auto basp = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  return system.spawn([basp](caf::event_based_actor* self) -> caf::behavior {
    self->delayed_send(self, forgetting_interval, caf::tick_atom::value);
    return {[self, basp](caf::tick_atom) {
      forget_gone_processes(self->system(), basp);
      self->delayed_send(self, forgetting_interval, caf::tick_atom::value);
    }};
  });
}

}  // namespace hive
