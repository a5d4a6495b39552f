#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Copies that are on disk or being made; each takes as much of the disk as the store.
constexpr std::size_t copies_max = 4;
/// Those who hold a copy or wait for one.
constexpr std::size_t copy_holders_max = 64;
constexpr std::size_t copy_bytes_max = 1 << 20;
constexpr auto copy_idle_max = std::chrono::minutes(5);

class copy_file;

/// Makes copies of the store in DATA_DIR/copies, one after the other on a thread of their own, and hands them out piece
/// by piece. Every open_copy gets an id of its own and a state that is not older than the request: those who ask while
/// a copy is being made share the next one. A copy goes with the last of its ids, which go by drop_copy or when they
/// were not read for copy_idle_max.
///
/// open_copy: resource_exhausted beyond the limits above or if the disk has no room, unavailable while the node stops.
/// read_copy: not_found for an id that is gone; at the end `data` is empty.
struct copy_keeper_state {
  static inline const char* const name = "copy_keeper";
  using pointer = copy_keeper_actor::stateful_pointer<copy_keeper_state>;
  using promise = caf::typed_response_promise<copy_info>;

  caf::result<copy_info> on_open();
  caf::result<copy_bytes> on_read(const read_copy& request);
  void on_drop(drop_copy request);
  void on_tick();
  void on_exit(const caf::exit_msg& message);

  /// Makes the next copy for all who wait.
  void start();
  void on_made(std::vector<promise> openers, const std::shared_ptr<copy_file>& file);
  void on_failed(std::vector<promise> openers, const caf::error& failure);
  /// Files on disk, the one that is being made, and the one that is waited for.
  [[nodiscard]] std::size_t files() const;

  struct holder {
    std::shared_ptr<copy_file> file;
    caf::actor_clock::time_point read_at;
  };

  pointer self = nullptr;
  service_context_ptr context;
  std::filesystem::path folder;
  bool is_threaded = true;
  std::map<std::uint64_t, holder> holders;
  std::vector<promise> waiting;  // for the next copy
  std::vector<promise> served;   // by the copy that is being made
  bool is_copying = false;
  bool is_ticking = false;
  std::uint64_t next_id = 1;
  std::uint64_t next_folder = 1;
};

/// Removes what an earlier start left. `is_threaded`: copies are made on a thread of their own (tests step them by hand
/// instead).
copy_keeper_actor spawn_copy_keeper(caf::actor_system& system, service_context_ptr context, bool is_threaded = true);

}  // namespace hive
