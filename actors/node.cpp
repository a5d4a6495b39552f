#include "actors/node.hpp"

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/check.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

constexpr auto check_time_max = std::chrono::minutes(10);

using checker_actor = caf::typed_actor<caf::replies_to<v1::CheckRequest>::with<v1::CheckResponse>>;

/// A snapshot whose scans come to an end when the node stops: a walk over a large store must not hold it up.
class stoppable_reader final : public core::table_reader {
 public:
  stoppable_reader(const core::table_reader& tables, const service_context& context)
      : tables_(tables), context_(context) {}

  [[nodiscard]] std::optional<std::string_view> get(core::table where, std::string_view key) const override {
    return tables_.get(where, key);
  }
  void scan(core::table where, std::string_view from, const core::scan_visitor& visit) const override {
    tables_.scan(where, from, stopping(visit));
  }
  void scan_back(core::table where, std::string_view before, const core::scan_visitor& visit) const override {
    tables_.scan_back(where, before, stopping(visit));
  }
  [[nodiscard]] std::uint64_t size(core::table where) const override { return tables_.size(where); }

 private:
  [[nodiscard]] core::scan_visitor stopping(const core::scan_visitor& visit) const {
    return [this, &visit](std::string_view key, std::string_view value) {
      return !context_.is_stopping && visit(key, value);
    };
  }

  const core::table_reader& tables_;
  const service_context& context_;
};

/// Walks all tables once, on its own thread, and ends.
checker_actor::behavior_type checker(checker_actor::pointer self, service_context_ptr context) {
  return {
      guarded(self,
              [self, context = std::move(context)](const v1::CheckRequest&) -> caf::result<v1::CheckResponse> {
                self->quit();
                const auto snapshot = context->store->read();
                auto found = core::check(stoppable_reader(*snapshot, *context));
                if (context->is_stopping) return make_error(node_is_stopping());  // it has not seen everything
                return found;
              }),
  };
}

}  // namespace

v1::StatusResponse describe_node(const service_context& context, std::chrono::steady_clock::time_point started_at) {
  v1::StatusResponse status = core::summarize(*context.store->read());
  const auto uptime = std::chrono::steady_clock::now() - started_at;
  status.set_version(context.version);
  status.set_uptime_ms(std::chrono::duration_cast<std::chrono::milliseconds>(uptime).count());
  status.set_role(context.cluster ? context.cluster->status().role() : "standalone");
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
  if (context->is_stopping) return refuse(*context, name, node_is_stopping());
  v1::HelloResponse response;
  response.set_protocol_version(protocol_version);
  response.set_version(context->version);
  response.set_incarnation(context->incarnation);
  *response.mutable_leadership() = leadership_of(*context);
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
  if (context->is_stopping) return refuse(*context, name, node_is_stopping());
  if (check) {
    return refuse(*context, name, {errc::resource_exhausted, "a check is under way: try again when it is done", {}});
  }
  check = self->make_response_promise<v1::CheckResponse>();
  auto promise = *check;
  self->request(self->spawn<caf::detached>(checker, context), check_time_max, v1::CheckRequest{})
      .then(
          [this, promise](v1::CheckResponse& response) mutable {
            check.reset();
            promise.deliver(std::move(response));
          },
          [this, promise](caf::error& failure) mutable {
            check.reset();
            promise.deliver(std::move(failure));
          });
  return promise;
}

void node_state::on_exit(const caf::exit_msg& message) {
  if (check) check->deliver(make_error(node_is_stopping()));
  check.reset();
  self->quit(message.reason);
}

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, service_context_ptr context,
                               node_directory directory) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.directory = std::move(directory);
  self->set_exit_handler([&state](const caf::exit_msg& message) { state.on_exit(message); });
  return {
      guarded(self, [&state](const v1::HelloRequest& request) { return state.on_hello(request); }),
      guarded(self,
              [&state](const v1::PingRequest& request) -> caf::result<v1::PingResponse> {
                v1::PingResponse response;
                response.set_nonce(request.nonce());
                *response.mutable_leadership() = leadership_of(*state.context);
                return response;
              }),
      guarded(self,
              [&state, started_at = std::chrono::steady_clock::now()](const v1::StatusRequest&)
                  -> caf::result<v1::StatusResponse> { return describe_node(*state.context, started_at); }),
      guarded(self, [&state](const v1::CheckRequest&) { return state.on_check(); }),
  };
}

}  // namespace hive
