#pragma once

#include <algorithm>
#include <random>

#include "tests/gate/frames.hpp"

namespace hive::gate::test {

/// Makes inputs that a hostile peer could send, from a seed: random bytes, honest streams that are cut or bent, frames
/// of every shape, and mixtures of them after a good handshake.
class hostile_peer {
 public:
  explicit hostile_peer(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>(0, limit - 1)(random_);
  }

  bytes random_bytes() {
    bytes made(below(400));
    for (auto& byte : made) byte = static_cast<std::uint8_t>(below(256));
    return made;
  }

  /// Mostly honest frames, of the kinds that honest peers send.
  bytes honest_frames(std::size_t count) {
    bytes made;
    for (std::size_t i = 0; i < count; ++i) made = std::move(made) + honest_frame();
    return made;
  }

  /// A frame whose every field is picked from what is interesting.
  bytes structured_frame() {
    const auto what = static_cast<basp::operation>(below(9));
    const bytes payload = structured_payload();
    const std::int64_t claimed =
        below(4) == 0
            ? static_cast<std::int64_t>(pick({0, 1, 31, 32, 63, 64, 79, 4'096, 4'097, 0x4000'0000, 0xFFFF'FFFF}))
            : -1;
    return frame(what, static_cast<std::uint8_t>(pick({0, 0, 0, 1, 2, 3, 4, 255})),
                 pick({0, 3, some_request, some_request, basp::normal_category, 1ULL << 63U, 3ULL << 60U, 7}),
                 pick({0, sender_id, 1, ~0ULL}),
                 pick({0, front_id, front_id, peer_front_id, 999, basp::spawn_server_name}), payload, claimed);
  }

  bytes input() {
    switch (below(5)) {
      case 0:
        return random_bytes();
      case 1: {
        bytes made = handshake(node_.peer) + honest_frames(below(6));
        made.resize(below(made.size() + 1));
        return made;
      }
      case 2: {
        bytes made = handshake(node_.peer) + honest_frames(below(6));
        for (std::uint64_t flips = 1 + below(8); flips > 0; --flips)
          made[below(made.size())] ^= static_cast<std::uint8_t>(1U << below(8));
        return made;
      }
      case 3: {
        bytes made;
        for (std::uint64_t frames = below(5); frames > 0; --frames) made = std::move(made) + structured_frame();
        return made;
      }
      default: {
        bytes made = handshake(node_.peer) + honest_frames(below(3));
        for (std::uint64_t frames = 1 + below(4); frames > 0; --frames)
          made = std::move(made) + (below(2) == 0 ? structured_frame() : honest_frame());
        return made + random_bytes();
      }
    }
  }

  checked_node node_;

 private:
  std::uint64_t pick(std::initializer_list<std::uint64_t> values) { return *(values.begin() + below(values.size())); }

  bytes honest_frame() {
    switch (below(6)) {
      case 0:
        return heartbeat();
      case 1:
        return monitor(node_.peer, node_.own, below(50));
      case 2:
        return down(node_.peer, node_.own, 1 + below(50));
      case 3:
        return handshake(node_.peer, basp::select_connection_flag);
      default:
        return request(below(3) == 0 ? "hive.v1.ReportTasksRequest" : "hive.v1.PingRequest",
                       std::string(below(300), 'p'), front_id, below(60));
    }
  }

  bytes structured_payload() {
    switch (below(7)) {
      case 0:
        return {};
      case 1:
        return to_bytes(node_id_of(static_cast<std::uint8_t>(below(4))));
      case 2:
        return to_bytes(node_id_of(static_cast<std::uint8_t>(below(4)))) + to_bytes(node_.own);
      case 3:
        return random_bytes();
      case 4:
        return message_payload("@atom+@actor", std::string(below(40), 'a'));
      case 5: {
        bytes made = message_payload("hive.v1.PingRequest", std::string(below(100), 'b'));
        made[below(made.size())] = static_cast<std::uint8_t>(below(256));
        return made;
      }
      default:
        return message_payload("hive.v1.PingRequest", std::string(below(5'000), 'c'));
    }
  }

  std::mt19937_64 random_;
};

}  // namespace hive::gate::test
