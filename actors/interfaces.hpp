#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/fwd.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "actors/protobuf_inspect.hpp"
#include "hive/v1/api.pb.h"
#include "hive/v1/cluster.pb.h"

namespace hive {

/// The version that HelloRequest carries. A node refuses any other with failed_precondition.
constexpr std::uint32_t protocol_version = 1;

/// The front actors of a node, handed out by its hello.
struct node_directory {
  caf::strong_actor_ptr task_manager;
  caf::strong_actor_ptr worker_registry;
  caf::strong_actor_ptr dispatcher;
  caf::strong_actor_ptr plan_supervisor;
  caf::strong_actor_ptr event_bus;
  caf::strong_actor_ptr cluster_manager;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& inspector, node_directory& directory) {
  return inspector(directory.task_manager, directory.worker_registry, directory.dispatcher, directory.plan_supervisor,
                   directory.event_bus, directory.cluster_manager);
}

/// The published actor: hello first, then everything else through the directory.
using node_actor = caf::typed_actor<
    // Checks the protocol version; the answer carries limits and the front actors.
    caf::replies_to<v1::HelloRequest>::with<v1::HelloResponse, node_directory>,
    // Link check; answers the nonce.
    caf::replies_to<v1::PingRequest>::with<v1::PingResponse>,
    // Counts and health, O(1) in the number of tasks.
    caf::replies_to<v1::StatusRequest>::with<v1::StatusResponse>,
    // Walks all tables (seconds on a large node), off the write path.
    caf::replies_to<v1::CheckRequest>::with<v1::CheckResponse>>;

/// Tasks. Every change is durable when it is answered.
using task_manager_actor =
    caf::typed_actor<caf::replies_to<v1::CreateTasksRequest>::with<v1::CreateTasksResponse>,
                     caf::replies_to<v1::GetTasksRequest>::with<v1::GetTasksResponse>,
                     caf::replies_to<v1::ListTasksRequest>::with<v1::ListTasksResponse>,
                     // A client drives tasks by hand, or sets progress.
                     caf::replies_to<v1::UpdateTaskStatusesRequest>::with<v1::UpdateTaskStatusesResponse>,
                     caf::replies_to<v1::CancelTasksRequest>::with<v1::CancelTasksResponse>,
                     caf::replies_to<v1::RetryTasksRequest>::with<v1::RetryTasksResponse>,
                     caf::replies_to<v1::PurgeTasksRequest>::with<v1::PurgeTasksResponse>,
                     caf::replies_to<v1::GetTaskLogsRequest>::with<v1::GetTaskLogsResponse>,
                     // Why is it not running yet?
                     caf::replies_to<v1::ExplainTaskRequest>::with<v1::ExplainTaskResponse>>;

/// Workers. The sender of RegisterWorkerRequest with is_executor is the worker's session actor.
using worker_registry_actor =
    caf::typed_actor<caf::replies_to<v1::RegisterWorkerRequest>::with<v1::RegisterWorkerResponse>,
                     // Renews all leases of the worker in memory; touches no disk.
                     caf::replies_to<v1::HeartbeatRequest>::with<v1::HeartbeatResponse>,
                     caf::replies_to<v1::DrainWorkerRequest>::with<v1::DrainWorkerResponse>,
                     caf::replies_to<v1::DeregisterWorkerRequest>::with<v1::DeregisterWorkerResponse>,
                     caf::replies_to<v1::ListWorkersRequest>::with<v1::ListWorkersResponse>,
                     caf::replies_to<v1::GetWorkerRequest>::with<v1::GetWorkerResponse>>;

/// What a worker says of its tasks. Each item is durable when it is answered.
using dispatcher_actor = caf::typed_actor<caf::replies_to<v1::ReportTasksRequest>::with<v1::ReportTasksResponse>>;

/// The worker's end of a session.
using worker_session_actor =
    caf::typed_actor<caf::reacts_to<v1::AssignTasks>,        // within the credit that the worker gave
                     caf::reacts_to<v1::CancelAssignments>,  // stop these handlers
                     caf::reacts_to<v1::DrainNotice>,        // take nothing new (or go on)
                     caf::reacts_to<v1::SessionEnded>>;      // register anew

/// Plans.
using plan_supervisor_actor =
    caf::typed_actor<caf::replies_to<v1::CreatePlanRequest>::with<v1::CreatePlanResponse>,
                     caf::replies_to<v1::UploadPlanPartRequest>::with<v1::UploadPlanPartResponse>,
                     caf::replies_to<v1::GetPlanStatusRequest>::with<v1::GetPlanStatusResponse>,
                     caf::replies_to<v1::ListPlansRequest>::with<v1::ListPlansResponse>,
                     caf::replies_to<v1::GetNextStepRequest>::with<v1::GetNextStepResponse>,
                     caf::replies_to<v1::CheckDependenciesRequest>::with<v1::CheckDependenciesResponse>,
                     // Pause, resume, cancel, retry from failed.
                     caf::replies_to<v1::ControlPlanRequest>::with<v1::ControlPlanResponse>>;

/// Events. The sender of SubscribeRequest is the subscriber.
using event_bus_actor =
    caf::typed_actor<caf::replies_to<v1::SubscribeRequest>::with<v1::SubscribeResponse>, caf::reacts_to<v1::AckEvents>,
                     caf::replies_to<v1::UnsubscribeRequest>::with<v1::UnsubscribeResponse>,
                     caf::replies_to<v1::PublishEventsRequest>::with<v1::PublishEventsResponse>,
                     // One page of the log, for pulling.
                     caf::replies_to<v1::ReadEventsRequest>::with<v1::ReadEventsResponse>>;

/// The cluster as operators see it. Also on a node that stands alone, which refuses changes with failed_precondition.
using cluster_manager_actor =
    caf::typed_actor<caf::replies_to<v1::ClusterStatusRequest>::with<v1::ClusterStatusResponse>,
                     // One at a time; answered when it is in force.
                     caf::replies_to<v1::ChangeClusterRequest>::with<v1::ChangeClusterResponse>,
                     // Reads at this node that follow the answer are linearizable.
                     caf::replies_to<v1::ReadBarrierRequest>::with<v1::ReadBarrierResponse>,
                     // A consistent copy of the state, piece by piece.
                     caf::replies_to<v1::OpenBackupRequest>::with<v1::OpenBackupResponse>,
                     caf::replies_to<v1::ReadBackupRequest>::with<v1::ReadBackupResponse>,
                     caf::replies_to<v1::CloseBackupRequest>::with<v1::CloseBackupResponse>>;

/// A subscriber's end.
using subscriber_actor = caf::typed_actor<caf::reacts_to<v1::EventBatch>,          // acknowledge its cursor
                                          caf::reacts_to<v1::SubscriptionEnded>>;  // subscribe again from the cursor

}  // namespace hive
