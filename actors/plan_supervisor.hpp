#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/plan_upload_table.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Takes in plans (each by a plan_intake actor of its own), answers what is asked about them from a snapshot, and
/// passes on pause, resume, cancel and retry.
struct plan_supervisor_state {
  static inline const char* const name = "plan_supervisor";
  using pointer = plan_supervisor_service::stateful_pointer<plan_supervisor_state>;

  caf::result<v1::CreatePlanResponse> on_create(v1::CreatePlanRequest& request);
  caf::result<v1::UploadPlanPartResponse> on_upload(v1::UploadPlanPartRequest& part);
  caf::result<v1::ControlPlanResponse> on_control(v1::ControlPlanRequest& request);
  /// Answers whoever still waits for a plan to be taken in: the node ends now.
  void on_exit(const caf::exit_msg& message);
  /// Drops uploads whose client went silent.
  void on_tick();

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
  std::optional<plan_upload_table> uploads;
  /// Plans that are being taken in now: how to refuse each.
  std::map<std::uint64_t, std::function<void(caf::error)>> intakes;
  std::uint64_t next_intake = 1;
};

plan_supervisor_service::behavior_type plan_supervisor(
    plan_supervisor_service::stateful_pointer<plan_supervisor_state> self, service_context_ptr context,
    ledger_actor writer);

}  // namespace hive
