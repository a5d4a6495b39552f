#include "actors/node.hpp"

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/check.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

constexpr auto check_time_max = std::chrono::minutes(10);

using checker_actor = caf::typed_actor<caf::replies_to<v1::CheckRequest>::with<v1::CheckResponse>>;

/// Walks all tables once, on its own thread, and ends.
checker_actor::behavior_type checker(checker_actor::pointer self, service_context_ptr context) {
  return {
      guarded(self,
              [self, context = std::move(context)](const v1::CheckRequest&) -> caf::result<v1::CheckResponse> {
                self->quit();
                return core::check(*context->store->read());
              }),
  };
}

}  // namespace

v1::StatusResponse describe_node(const service_context& context, std::chrono::steady_clock::time_point started_at) {
  v1::StatusResponse status = core::summarize(*context.store->read());
  const auto uptime = std::chrono::steady_clock::now() - started_at;
  status.set_version(context.version);
  status.set_uptime_ms(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count());
  status.set_role("standalone");
  const auto totals = context.sessions->sum();
  status.set_slots_total(totals.slots);
  status.set_slots_used(totals.used);
  const auto figures = context.store->figures();
  status.set_storage_used_bytes(figures.used_bytes);
  status.set_storage_map_bytes(figures.map_bytes);
  status.set_is_storage_full(context.store->is_nearly_full());
  status.set_subscribers(context.subscribers);
  status.set_data_dir(context.config.node.data_dir);
  return status;
}

caf::result<v1::HelloResponse, node_directory> node_state::on_hello(const v1::HelloRequest& request) {
  if (request.protocol_version() != protocol_version) {
    return refuse(*context, name,
                  {errc::failed_precondition,
                   "this node speaks protocol version " + std::to_string(protocol_version) + ", the client " +
                       std::to_string(request.protocol_version()),
                   "protocol_version"});
  }
  if (context->is_stopping) return refuse(*context, name, {errc::unavailable, "the node is stopping", {}});
  v1::HelloResponse response;
  response.set_protocol_version(protocol_version);
  response.set_version(context->version);
  response.set_incarnation(context->incarnation);
  auto& limits = *response.mutable_limits();
  limits.set_message_bytes_max(message_bytes_max(context->limits));
  limits.set_payload_bytes_max(context->limits.payload_bytes_max);
  limits.set_batch_items_max(batch_items_max);
  limits.set_plan_steps_max(context->limits.plan_steps_max);
  limits.set_heartbeat_interval_ms(context->config.workers.heartbeat_interval_ms);
  limits.set_worker_grace_ms(context->config.workers.grace_ms);
  config::logger(name)->debug("hello client={}", request.client().substr(0, 128));
  return {std::move(response), directory};
}

caf::result<v1::CheckResponse> node_state::on_check() {
  if (is_checking) {
    return refuse(*context, name, {errc::resource_exhausted, "a check is under way: try again when it is done", {}});
  }
  is_checking = true;
  auto promise = self->make_response_promise<v1::CheckResponse>();
  self->request(self->spawn<caf::detached>(checker, context), check_time_max, v1::CheckRequest{})
      .then(
          [this, promise](v1::CheckResponse& response) mutable {
            is_checking = false;
            promise.deliver(std::move(response));
          },
          [this, promise](caf::error& failure) mutable {
            is_checking = false;
            promise.deliver(std::move(failure));
          });
  return promise;
}

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, service_context_ptr context,
                               node_directory directory) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.directory = std::move(directory);
  return {
      guarded(self, [&state](const v1::HelloRequest& request) { return state.on_hello(request); }),
      guarded(self,
              [](const v1::PingRequest& request) -> caf::result<v1::PingResponse> {
                v1::PingResponse response;
                response.set_nonce(request.nonce());
                return response;
              }),
      guarded(self,
              [&state, started_at = std::chrono::steady_clock::now()](const v1::StatusRequest&)
                  -> caf::result<v1::StatusResponse> { return describe_node(*state.context, started_at); }),
      guarded(self, [&state](const v1::CheckRequest&) { return state.on_check(); }),
  };
}

}  // namespace hive
