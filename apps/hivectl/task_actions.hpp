#pragma once

#include "apps/hivectl/session.hpp"

namespace hive::hivectl {

/// Options of `task create`, as they were typed.
struct create_task_options {
  std::string type;
  std::string title;
  std::string payload;
  std::string content_type;
  int priority = 0;
  std::vector<std::string> capabilities;
  std::vector<std::string> labels;
  std::vector<std::string> worker_labels;
  std::string delay;
  std::uint32_t attempts_max = 0;
  std::string backoff;
  std::string queue_timeout;
  std::string run_timeout;
  std::string total_timeout;
  std::string key;
  std::vector<std::string> command;
  bool is_waiting = false;
  bool is_watching = false;
};

/// Options of `task list`.
struct list_tasks_options {
  std::vector<std::string> states;
  std::string type;
  std::vector<std::string> labels;
  std::string plan;
  std::string worker;
  std::uint32_t limit = 100;
  bool is_newest_first = false;
};

/// Options of `task logs`.
struct task_logs_options {
  std::string id;
  bool is_following = false;
  bool is_stdout_only = false;
  bool is_stderr_only = false;
};

/// Options of `task wait`.
struct wait_tasks_options {
  std::vector<std::string> ids;
  std::string limit;
  bool is_watching = false;
};

// Each runs its command and answers the exit status.
int create_task(session& context, const create_task_options& options);
int get_task(session& context, const std::string& id);
int list_tasks(session& context, const list_tasks_options& options);
int cancel_tasks(session& context, const std::vector<std::string>& ids, const std::string& message,
                 const std::string& grace);
int retry_tasks(session& context, const std::vector<std::string>& ids);
int purge_tasks(session& context, const std::vector<std::string>& ids);
int print_result(session& context, const std::string& id, bool is_stdout_only);
int print_logs(session& context, const task_logs_options& options);
int wait_tasks(session& context, const wait_tasks_options& options);
int explain_task(session& context, const std::string& id);

/// The spec that `task create` describes.
result<v1::TaskSpec> make_spec(const create_task_options& options);

}  // namespace hive::hivectl
