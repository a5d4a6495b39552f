#pragma once

#include <string>

#include "tests/integration/cluster_fixture.hpp"
#include "tests/integration/last_will.hpp"
#include "tests/integration/tls_fixture.hpp"

namespace hive::test {

/// A network namespace for each node, all on one bridge with this process; their links can fail. Undone by the will.
/// Not usable where that is not permitted.
class network_spaces {
 public:
  network_spaces(std::size_t count, const last_will& will);

  [[nodiscard]] bool is_usable() const { return is_usable_; }
  /// Whether links can be made slow here.
  [[nodiscard]] bool can_be_slow() const { return can_be_slow_; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::string host(std::size_t i) const { return subnet_ + std::to_string(i + 1); }
  [[nodiscard]] std::string space(std::size_t i) const { return name_ + "n" + std::to_string(i); }
  /// What starts a program there.
  [[nodiscard]] std::vector<std::string> prefix(std::size_t i) const { return {"ip", "netns", "exec", space(i)}; }

  void set_link(std::size_t i, const std::string& up_or_down) const;
  /// What `from` sends to `to` is lost from now on; what comes the other way arrives.
  void block(std::size_t from, std::size_t to) const;
  void unblock(std::size_t from, std::size_t to) const;
  /// Both ways no more than `rate` ("256kbit"), with up to `queue` ("500ms") of it waiting; more is dropped, as routers
  /// do, and so a packet comes late by as much under load.
  void slow(std::size_t i, const std::string& rate, const std::string& queue) const;
  void unslow(std::size_t i) const;

 private:
  [[nodiscard]] bool add(std::size_t i, const last_will& will) const;
  [[nodiscard]] std::string outer(std::size_t i) const { return name_ + "v" + std::to_string(i); }

  std::string name_;
  std::string subnet_;
  std::size_t count_ = 0;
  bool is_usable_ = false;
  bool can_be_slow_ = false;
};

/// The first `node_count` of the spaces as the places of a cluster's nodes, with TLS. The certificate holds for all.
cluster_network network_of(const network_spaces& spaces, const certificates& issued, std::size_t node_count);

}  // namespace hive::test
