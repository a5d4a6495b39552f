#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive {

using milliseconds = std::chrono::milliseconds;

/// What became of one task in a change.
struct task_change {
  task_id id;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  bool is_replay = false;  // an earlier call did it: the idempotency key was known, or the update had been made
  hive::attempt attempt;
};

/// One result an item, in order: a refused item never spoils its neighbours.
template <class T>
using batch_result = result<std::vector<result<T>>>;

/// What get_task fetches besides spec and status.
struct task_parts {
  bool with_payload = true;
  bool with_result = true;
};

/// One page of a list. `token` comes from the page before; empty: from the start.
struct page_request {
  std::uint32_t limit = 0;  // 1..1000; 0: 100
  std::string token;
  bool newest_first = false;
};

/// How submit_plan creates the plan's parent task.
struct plan_options {
  v1::TaskSpec parent_spec;     // title, labels, priority; all have defaults
  std::string idempotency_key;  // empty: one is generated, so that a retry submits once
};

/// Which events a subscription gets and where it starts.
struct subscribe_options {
  v1::EventFilter filter;
  std::optional<event_seq> after;  // replays everything after it, then goes on live; not set: from now
  std::uint32_t window = 0;        // events in flight; 1..10000, 0: 1000
};

/// True for completed, failed, canceled and skipped.
constexpr bool is_final(v1::TaskState state) { return state >= v1::TASK_STATE_COMPLETED; }
/// True for completed, failed and canceled.
constexpr bool is_final(v1::PlanState state) { return state >= v1::PLAN_STATE_COMPLETED; }

/// A task in one call: make_task("word_count", R"({"path": "a.txt"})").
v1::TaskSpec make_task(std::string type, std::string payload = {}, std::string title = {});
/// Adds a step to a document and returns it for more settings.
v1::PlanStepSpec& add_step(v1::PlanDocument& document, std::string name, std::vector<std::string> needs,
                           v1::TaskSpec task);
v1::Label make_label(std::string key, std::string value);

}  // namespace hive
