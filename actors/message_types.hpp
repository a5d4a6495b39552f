#pragma once

#include <caf/fwd.hpp>

#include "actors/interfaces.hpp"
#include "base/errc.hpp"
#include "hive/v1/replication.pb.h"

namespace hive {

/// A list of types.
template <class... Types>
struct wire_type_list {};

/// Every protobuf message that travels between processes. A type that is missing here is not delivered
/// (CAF prints to stderr and reports success), so the tests round-trip each of them.
using wire_types = wire_type_list<
    v1::HelloRequest, v1::HelloResponse, v1::PingRequest, v1::PingResponse, v1::StatusRequest, v1::StatusResponse,
    v1::CheckRequest, v1::CheckResponse, v1::CreateTasksRequest, v1::CreateTasksResponse, v1::GetTasksRequest,
    v1::GetTasksResponse, v1::ListTasksRequest, v1::ListTasksResponse, v1::UpdateTaskStatusesRequest,
    v1::UpdateTaskStatusesResponse, v1::CancelTasksRequest, v1::CancelTasksResponse, v1::RetryTasksRequest,
    v1::RetryTasksResponse, v1::PurgeTasksRequest, v1::PurgeTasksResponse, v1::GetTaskLogsRequest,
    v1::GetTaskLogsResponse, v1::ExplainTaskRequest, v1::ExplainTaskResponse, v1::RegisterWorkerRequest,
    v1::RegisterWorkerResponse, v1::HeartbeatRequest, v1::HeartbeatResponse, v1::DrainWorkerRequest,
    v1::DrainWorkerResponse, v1::DeregisterWorkerRequest, v1::DeregisterWorkerResponse, v1::ListWorkersRequest,
    v1::ListWorkersResponse, v1::GetWorkerRequest, v1::GetWorkerResponse, v1::ReportTasksRequest,
    v1::ReportTasksResponse, v1::AssignTasks, v1::CancelAssignments, v1::DrainNotice, v1::SessionEnded,
    v1::CreatePlanRequest, v1::CreatePlanResponse, v1::UploadPlanPartRequest, v1::UploadPlanPartResponse,
    v1::GetPlanStatusRequest, v1::GetPlanStatusResponse, v1::ListPlansRequest, v1::ListPlansResponse,
    v1::GetNextStepRequest, v1::GetNextStepResponse, v1::CheckDependenciesRequest, v1::CheckDependenciesResponse,
    v1::ControlPlanRequest, v1::ControlPlanResponse, v1::SubscribeRequest, v1::SubscribeResponse, v1::EventBatch,
    v1::AckEvents, v1::SubscriptionEnded, v1::UnsubscribeRequest, v1::UnsubscribeResponse, v1::PublishEventsRequest,
    v1::PublishEventsResponse, v1::ReadEventsRequest, v1::ReadEventsResponse, v1::ClusterStatusRequest,
    v1::ClusterStatusResponse, v1::ChangeClusterRequest, v1::ChangeClusterResponse, v1::ReadBarrierRequest,
    v1::ReadBarrierResponse, v1::OpenBackupRequest, v1::OpenBackupResponse, v1::ReadBackupRequest,
    v1::ReadBackupResponse, v1::CloseBackupRequest, v1::CloseBackupResponse, v1::PeerHelloRequest,
    v1::PeerHelloResponse, v1::PeerMessage>;

/// Registers every wire type under its protobuf name ("hive.v1.HelloRequest"), node_directory and the error
/// category. Names go over the wire: never rename one.
void add_message_types(caf::actor_system_config& config);

/// The failure as a CAF error of category "hive": code, message and field survive the wire.
caf::error make_error(const error& failure);

/// Back again. CAF's own errors are mapped: request_timeout is deadline_exceeded; a receiver or link that is down
/// is unavailable; a message that the other side does not know is failed_precondition; the rest is internal.
error to_error(const caf::error& failure);

}  // namespace hive
