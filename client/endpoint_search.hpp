#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "hive/v1/api.pb.h"

namespace hive {

/// Where a link tries next: the endpoints of its settings and those that nodes told of, in turn, and first the node
/// that was named as the leader. Within a round no endpoint is tried twice without a pause, and the pauses grow (50 to
/// 800 ms): nodes that name each other, or themselves, are not asked in a hurry. No clock, no network. Not thread-safe.
class endpoint_search {
 public:
  using milliseconds = std::chrono::milliseconds;

  struct step {
    config::endpoint to;
    milliseconds pause{0};          // before it
    bool has_alternatives = false;  // do not wait long for this one
  };

  explicit endpoint_search(std::vector<config::endpoint> configured);

  step next();

  /// Members that a node told of are tried behind the configured ones.
  void learn(const v1::Leadership& told);
  void on_unreachable(const config::endpoint& which, bool is_refused);
  /// The node does not lead. True: the leader it named is worth a try, and is the next step. False: it named none, or
  /// one that has just been tried in vain, so that it is better to wait for its news. `is_news`: it said something else
  /// before, which makes what was tried before the news worth another try at once.
  bool on_follower(const config::endpoint& which, const std::string& leader, bool is_news);
  /// A session with `which` is over. A short one was no success: the pauses go on growing.
  void on_session_over(const config::endpoint& which, milliseconds lasted);
  /// All that was tried in this round speaks another protocol.
  [[nodiscard]] bool is_refused_by_all() const;

 private:
  enum class outcome { unreachable, refused, denied, was_session };

  [[nodiscard]] std::optional<std::size_t> find_untried() const;
  void note(const config::endpoint& which, outcome what);
  milliseconds take_pause();

  const std::size_t configured_;
  std::vector<config::endpoint> known_;  // the configured ones first
  std::size_t position_ = 0;
  std::optional<config::endpoint> named_;
  std::map<std::string, outcome> tried_;  // in this round
  int round_ = 1;
  milliseconds pause_;
};

}  // namespace hive
