#pragma once

#include <memory>
#include <vector>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// A plan on its way in: boxed, since it never leaves the process and may be hundreds of megabytes.
using boxed_plan_request = std::shared_ptr<v1::CreatePlanRequest>;

}  // namespace hive

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::boxed_plan_request)

namespace hive {

/// Takes in one plan and is gone with its answer.
using plan_intake_actor = caf::typed_actor<caf::replies_to<boxed_plan_request>::with<v1::CreatePlanResponse>>;

/// What a plan becomes in the log.
struct plan_commands {
  v1::BeginPlan begin;
  std::vector<v1::PlannedStep> steps;
};

/// Checks the request and turns it into commands. The parent's spec gets title "plan NAME" and type "plan" where it
/// has none.
result<plan_commands> prepare_plan(v1::CreatePlanRequest&& request, const core::core_limits& limits);

struct plan_intake_state {
  static inline const char* const name = "plan_intake";
  service_context_ptr context;
  ledger_actor writer;
  plan_commands commands;
  std::uint64_t plan = 0;
  std::size_t next_step = 0;
  bool has_begun_again = false;
  caf::typed_response_promise<v1::CreatePlanResponse> promise;
};

/// Validates a plan on its own thread and writes it: in one command if it is small, else staged in parts and then
/// committed, so that no command holds up the ledger for long. A part that is refused drops what is staged.
plan_intake_actor::behavior_type plan_intake(plan_intake_actor::stateful_pointer<plan_intake_state> self,
                                             service_context_ptr context, ledger_actor writer);

}  // namespace hive
