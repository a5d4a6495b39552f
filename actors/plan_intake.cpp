#include "actors/plan_intake.hpp"

#include <algorithm>

#include <caf/send.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/plan_validator.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

using intake_pointer = plan_intake_actor::stateful_pointer<plan_intake_state>;

// A plan of so many steps is one command: about 10 ms of the ledger's time.
constexpr std::size_t whole_steps_max = 1'000;
constexpr std::size_t chunk_steps_max = 1'000;
constexpr std::size_t chunk_bytes_max = 1 << 20;

void finish(intake_pointer self, caf::error failure) {
  self->state.promise.deliver(std::move(failure));
  self->quit();
}

// What the plan looks like now that it is durable.
void finish(intake_pointer self, bool is_replay) {
  v1::GetPlanStatusRequest query;
  query.set_plan_id(self->state.plan);
  auto stored = core::get_plan_status(*self->state.context->store->read(), query);
  if (!stored) {
    finish(self, make_error(stored.failure()));
    return;
  }
  v1::CreatePlanResponse response;
  response.set_plan_id(self->state.plan);
  response.set_first_step_task_id(stored->plan().spec().first_step_task_id());
  response.set_step_count(stored->plan().spec().step_count());
  response.set_is_replay(is_replay);
  self->state.promise.deliver(std::move(response));
  self->quit();
}

// One command at a time is under way for a plan, so its commands need no share of the admission limits beyond the one
// that plan_supervisor holds for the whole plan: it bounds the intakes, and a part is at most chunk_bytes_max.
auto send_command(intake_pointer self, v1::Command&& command) {
  auto change = std::make_shared<ledger_request>();
  change->commands.push_back(std::move(command));
  return self->request(self->state.writer, caf::infinite, std::move(change));
}

// Sends one command; `next` gets its outcome if it was applied.
template <class Next>
void submit(intake_pointer self, v1::Command&& command, Next next) {
  send_command(self, std::move(command))
      .then(
          [self, next](ledger_reply_ptr& reply) {
            auto& outcome = reply->outcomes.front();
            if (is_ok(outcome.status())) {
              next(outcome);
            } else {
              finish(self, make_error(to_error(outcome.status())));
            }
          },
          [self](caf::error& failure) { finish(self, std::move(failure)); });
}

// Best effort: what stays staged is dropped by its timer.
void drop_staged(intake_pointer self) {
  v1::Command drop;
  drop.mutable_drop_plan()->set_plan_id(self->state.plan);
  auto change = std::make_shared<ledger_request>();
  change->commands.push_back(std::move(drop));
  caf::anon_send(self->state.writer, std::move(change));
}

void append_next(intake_pointer self) {
  auto& state = self->state;
  v1::Command command;
  if (state.context->is_stopping) {
    drop_staged(self);
    finish(self, make_error(node_is_stopping()));
    return;
  }
  if (state.next_step == state.commands.steps.size()) {
    command.mutable_commit_plan()->set_plan_id(state.plan);
    submit(self, std::move(command), [self](const v1::Outcome&) { finish(self, false); });
    return;
  }
  auto& append = *command.mutable_append_steps();
  append.set_plan_id(state.plan);
  append.set_first_index(static_cast<std::uint32_t>(state.next_step));
  std::size_t bytes = 0;
  while (state.next_step < state.commands.steps.size() && bytes < chunk_bytes_max &&
         static_cast<std::size_t>(append.steps_size()) < chunk_steps_max) {
    auto& step = state.commands.steps[state.next_step++];
    bytes += step.ByteSizeLong();
    *append.add_steps() = std::move(step);
  }
  send_command(self, std::move(command))
      .then(
          [self](ledger_reply_ptr& reply) {
            const auto& outcome = reply->outcomes.front();
            if (is_ok(outcome.status())) {
              append_next(self);
              return;
            }
            drop_staged(self);
            finish(self, make_error(to_error(outcome.status())));
          },
          [self](caf::error& failure) {
            drop_staged(self);
            finish(self, std::move(failure));
          });
}

bool is_visible(intake_pointer self, std::uint64_t plan) {
  v1::GetPlanStatusRequest query;
  query.set_plan_id(plan);
  return core::get_plan_status(*self->state.context->store->read(), query).has_value();
}

void begin_staged(intake_pointer self) {
  v1::Command command;
  *command.mutable_begin_plan() = self->state.commands.begin;
  submit(self, std::move(command), [self](const v1::Outcome& outcome) {
    auto& state = self->state;
    state.plan = outcome.id();
    if (!outcome.is_replay()) {
      append_next(self);
      return;
    }
    if (is_visible(self, state.plan)) {
      finish(self, true);
      return;
    }
    // An earlier try with this key never became whole: start it over, once.
    if (state.has_begun_again) {
      finish(self, make_error(error{errc::unavailable, "the same plan is being uploaded by another call", ""}));
      return;
    }
    state.has_begun_again = true;
    v1::Command drop;
    drop.mutable_drop_plan()->set_plan_id(state.plan);
    submit(self, std::move(drop), [self](const v1::Outcome&) { begin_staged(self); });
  });
}

void create_whole(intake_pointer self) {
  auto& state = self->state;
  v1::Command command;
  auto& create = *command.mutable_create_plan();
  *create.mutable_begin() = std::move(state.commands.begin);
  for (auto& step : state.commands.steps) *create.add_steps() = std::move(step);
  submit(self, std::move(command), [self](const v1::Outcome& outcome) {
    self->state.plan = outcome.id();
    finish(self, outcome.is_replay());
  });
}

}  // namespace

result<plan_commands> prepare_plan(v1::CreatePlanRequest&& request, const core::core_limits& limits) {
  plan_commands prepared;
  auto& begin = prepared.begin;
  begin.set_parent_task_id(request.parent_task_id());
  begin.set_idempotency_key(request.idempotency_key());
  if (request.parent_task_id() == 0) {
    auto& parent = *begin.mutable_parent_spec();
    parent = std::move(*request.mutable_parent_spec());
    const auto& name = request.document().name();
    if (parent.title().empty()) parent.set_title(name.empty() ? "plan" : "plan " + name);
    if (parent.type().empty()) parent.set_type("plan");
    if (auto checked = core::normalize_spec(parent, limits, "parent_spec."); !checked) return checked.failure();
  }
  auto validated = core::validate_plan(std::move(*request.mutable_document()), limits);
  if (!validated) return validated.failure();
  auto& document = *begin.mutable_document();
  document.set_name(request.document().name());
  document.set_failure_policy(request.document().failure_policy());
  document.set_deadline_ms(request.document().deadline_ms());
  begin.set_step_count(static_cast<std::uint32_t>(validated->steps.size()));
  begin.set_edge_count(validated->edge_count);
  prepared.steps = std::move(validated->steps);
  return prepared;
}

plan_intake_actor::behavior_type plan_intake(intake_pointer self, service_context_ptr context, ledger_actor writer) {
  self->state.context = std::move(context);
  self->state.writer = std::move(writer);
  return {
      [self](boxed_plan_request& request) -> caf::result<v1::CreatePlanResponse> {
        auto prepared = prepare_plan(std::move(*request), self->state.context->limits);
        if (!prepared) {
          self->quit();
          return make_error(prepared.failure());
        }
        self->state.commands = std::move(*prepared);
        self->state.promise = self->make_response_promise<v1::CreatePlanResponse>();
        if (self->state.context->is_stopping) {  // checking a large plan takes a while
          finish(self, make_error(node_is_stopping()));
          return self->state.promise;
        }
        const bool is_small = self->state.commands.steps.size() <= whole_steps_max;
        is_small ? create_whole(self) : begin_staged(self);
        return self->state.promise;
      },
  };
}

}  // namespace hive
