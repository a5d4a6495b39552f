#pragma once

#include <chrono>
#include <optional>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// The published actor: hands out the directory, and says how the node is.
struct node_state {
  static inline const char* const name = "node";
  using pointer = node_actor::stateful_pointer<node_state>;

  caf::result<v1::HelloResponse, node_directory> on_hello(const v1::HelloRequest& request);
  caf::result<v1::CheckResponse> on_check();
  /// Answers whoever waits for a check: the node ends now.
  void on_exit(const caf::exit_msg& message);

  pointer self = nullptr;
  service_context_ptr context;
  node_directory directory;
  std::optional<caf::typed_response_promise<v1::CheckResponse>> check;  // under way
};

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, service_context_ptr context,
                               node_directory directory);

/// Counts from the tables, laid over with what is live. Thread-safe, O(types + sessions).
v1::StatusResponse describe_node(const service_context& context, std::chrono::steady_clock::time_point started_at);

}  // namespace hive
