#include "actors/plan_supervisor.hpp"

#include <utility>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "actors/plan_intake.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

// Larger plans are validated on a thread of their own.
constexpr int inline_steps_max = 2'000;
constexpr std::uint32_t intakes_max = 1'000;
constexpr std::chrono::seconds tick_interval{10};

v1::PlanState state_of(persistence::store& store, std::uint64_t plan) {
  v1::GetPlanStatusRequest query;
  query.set_plan_id(plan);
  const auto stored = core::get_plan_status(*store.read(), query);
  return stored ? stored->plan().status().state() : v1::PLAN_STATE_UNSPECIFIED;
}

// Hands a whole plan to an intake actor; `to_response` turns its answer into what the caller waits for.
template <class Response, class Convert>
caf::result<Response> take_in(plan_supervisor_state& state, v1::CreatePlanRequest&& request, Convert to_response) {
  if (state.context->is_stopping) return refuse(*state.context, state.name, node_is_stopping());
  // Held until the plan is answered, so that a node that stops waits for it.
  auto ticket = std::make_shared<admission::ticket>(state.context->work_admission->admit(1, 0, true));
  if (state.intakes.size() >= intakes_max || !ticket->is_admitted()) {
    return refuse(*state.context, state.name, {errc::resource_exhausted, "too many plans are being created", {}});
  }
  const bool is_large = request.document().steps_size() > inline_steps_max;
  auto intake = is_large ? state.self->spawn<caf::detached>(plan_intake, state.context, state.writer)
                         : state.self->spawn(plan_intake, state.context, state.writer);
  auto promise = state.self->template make_response_promise<Response>();
  const std::uint64_t number = state.next_intake++;
  state.intakes.emplace(number, [promise](caf::error failure) mutable { promise.deliver(std::move(failure)); });
  state.self->request(intake, caf::infinite, std::make_shared<v1::CreatePlanRequest>(std::move(request)))
      .then(
          [&state, number, promise, to_response, ticket](v1::CreatePlanResponse& response) mutable {
            state.intakes.erase(number);
            promise.deliver(to_response(std::move(response)));
            ticket.reset();
          },
          [&state, number, promise, ticket](caf::error& failure) mutable {
            state.intakes.erase(number);
            promise.deliver(std::move(failure));
            ticket.reset();
          });
  return promise;
}

}  // namespace

caf::result<v1::CreatePlanResponse> plan_supervisor_state::on_create(v1::CreatePlanRequest& request) {
  return take_in<v1::CreatePlanResponse>(*this, std::move(request),
                                         [](v1::CreatePlanResponse&& response) { return std::move(response); });
}

caf::result<v1::UploadPlanPartResponse> plan_supervisor_state::on_upload(v1::UploadPlanPartRequest& part) {
  if (context->is_stopping) return refuse(*context, name, node_is_stopping());
  const auto upload_id = part.upload_id();
  const auto part_number = part.part();
  auto whole = uploads->add(std::move(part), self->clock().now());
  if (!whole) return refuse(*context, name, whole.failure());
  if (!whole->has_value()) {
    v1::UploadPlanPartResponse response;
    response.set_next_part(uploads->next_part(upload_id));
    return response;
  }
  return take_in<v1::UploadPlanPartResponse>(*this, std::move(**whole), [part_number](v1::CreatePlanResponse&& plan) {
    v1::UploadPlanPartResponse response;
    response.set_next_part(part_number + 1);
    response.mutable_plan()->Swap(&plan);
    return response;
  });
}

caf::result<v1::ControlPlanResponse> plan_supervisor_state::on_control(v1::ControlPlanRequest& request) {
  if (request.action() == 0 || !v1::ControlPlan::Action_IsValid(static_cast<int>(request.action()))) {
    return refuse(*context, name,
                  {errc::invalid_argument,
                   "action " + std::to_string(request.action()) + " is not pause, resume, cancel or retry", "action"});
  }
  auto change = std::make_shared<ledger_request>();
  const auto bytes = request.ByteSizeLong();
  auto& control = *change->commands.emplace_back().mutable_control_plan();
  control.set_plan_id(request.plan_id());
  control.set_action(static_cast<v1::ControlPlan::Action>(request.action()));
  control.mutable_message()->swap(*request.mutable_message());
  if (auto admitted = admit(*context, *change, bytes, true); !admitted) {
    return refuse(*context, name, admitted.failure());
  }
  auto promise = self->make_response_promise<v1::ControlPlanResponse>();
  self->request(writer, caf::infinite, std::move(change))
      .then(
          [this, promise, plan = request.plan_id()](ledger_reply_ptr& reply) mutable {
            const auto& status = reply->outcomes.front().status();
            if (!is_ok(status)) {
              promise.deliver(refuse(*context, name, to_error(status)));
              return;
            }
            v1::ControlPlanResponse response;
            response.set_state(state_of(*context->store, plan));
            promise.deliver(std::move(response));
          },
          [promise](caf::error& failure) mutable { promise.deliver(std::move(failure)); });
  return promise;
}

void plan_supervisor_state::on_exit(const caf::exit_msg& message) {
  for (auto& [number, refuse_plan] : intakes) refuse_plan(make_error(node_is_stopping()));
  intakes.clear();
  self->quit(message.reason);
}

void plan_supervisor_state::on_tick() {
  uploads->expire(self->clock().now());
  self->delayed_send(self, tick_interval, caf::tick_atom::value);
}

plan_supervisor_service::behavior_type plan_supervisor(
    plan_supervisor_service::stateful_pointer<plan_supervisor_state> self, service_context_ptr context,
    ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  plan_upload_table::options limits;
  limits.uploads_max = state.context->config.plans.uploads_max;
  limits.upload_bytes_max = state.context->config.plans.upload_bytes_max;
  limits.steps_max = state.context->limits.plan_steps_max;
  state.uploads.emplace(limits);
  self->delayed_send(self, tick_interval, caf::tick_atom::value);
  self->set_exit_handler([&state](const caf::exit_msg& message) { state.on_exit(message); });
  const auto read = [&state] { return state.context->store->read(); };
  return {
      guarded(self, [&state](v1::CreatePlanRequest& request) { return state.on_create(request); }),
      guarded(self, [&state](v1::UploadPlanPartRequest& part) { return state.on_upload(part); }),
      guarded(
          self,
          [read](const v1::GetPlanStatusRequest& request) { return to_caf(core::get_plan_status(*read(), request)); }),
      guarded(self, [read](const v1::ListPlansRequest& request) { return to_caf(core::list_plans(*read(), request)); }),
      guarded(self,
              [read](const v1::GetNextStepRequest& request) {
                return to_caf(core::get_next_step(*read(), plan_id{request.plan_id()}));
              }),
      guarded(self,
              [read](const v1::CheckDependenciesRequest& request) {
                return to_caf(core::check_dependencies(*read(), task_id{request.task_id()}));
              }),
      guarded(self, [&state](v1::ControlPlanRequest& request) { return state.on_control(request); }),
      guarded(self, [&state](caf::tick_atom) { state.on_tick(); }),
  };
}

}  // namespace hive
