#include "actors/system_config.hpp"

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/io/middleman.hpp>
#include <caf/node_id.hpp>

#include "actors/message_types.hpp"

namespace hive {
namespace {

constexpr auto heartbeat_interval = std::chrono::milliseconds(500);
constexpr auto connection_timeout = std::chrono::seconds(2);

/// Replaces CAF's node id before the first module starts. CAF derives it from hardware addresses and the pid: two
/// containers can get the same one, and messages then reach the wrong node.
class random_node_id final : public caf::actor_system::module {
 public:
  explicit random_node_id(caf::actor_system& system) : system_(system) {}

  void start() override {}
  void stop() override {}
  void init(caf::actor_system_config&) override {
    std::random_device random;
    caf::node_id::default_data::host_id_type host{};
    for (auto& byte : host) byte = static_cast<std::uint8_t>(random());
    // CAF has no other way: the system hands out its id by const reference only.
    const_cast<caf::node_id&>(system_.node()) = caf::make_node_id(static_cast<std::uint32_t>(random()), host);
  }
  [[nodiscard]] id_t id() const override { return network_manager; }
  void* subtype_ptr() override { return this; }

  static module* make(caf::actor_system& system, caf::detail::type_list<>) { return new random_node_id(system); }

 private:
  caf::actor_system& system_;
};

void silence(caf::actor_system_config& config) {
  config.config_file_path = "";
  config.set("logger.verbosity", caf::atom("quiet"));
}

}  // namespace

system_config::system_config(std::size_t scheduler_threads) {
  hive::add_message_types(*this);
  load<caf::io::middleman>();
  load<random_node_id>();
  silence(*this);
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-threads", scheduler_threads);
  set("middleman.workers", std::size_t{0});
  set("middleman.heartbeat-interval", caf::timespan(heartbeat_interval));
  set("middleman.connection-timeout", caf::timespan(connection_timeout));
  set("middleman.app-identifiers", std::vector<std::string>{"hive-v1"});
}

test_system_config::test_system_config() {
  hive::add_message_types(*this);
  silence(*this);
  set("scheduler.policy", caf::atom("testing"));
}

void harden(caf::actor_system& system) {
  system.registry().erase(caf::atom("SpawnServ"));
  system.registry().erase(caf::atom("ConfigServ"));
}

}  // namespace hive
