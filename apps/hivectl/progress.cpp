#include "apps/hivectl/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <thread>

namespace hive::hivectl {
namespace {

using clock = std::chrono::steady_clock;

// The node answers from memory-mapped tables in microseconds; a person does not see more than a few frames a second.
constexpr std::chrono::milliseconds first_interval{20};
constexpr std::chrono::milliseconds longest_interval{250};
constexpr std::size_t running_steps_shown_max = 8;
constexpr std::uint32_t steps_page = 1000;
constexpr std::size_t bar_width_max = 30;
constexpr std::size_t bar_width_min = 5;

/// Lines on stderr. On a terminal the next call draws over them; elsewhere only a changed first line is printed.
class display {
 public:
  explicit display(bool is_shown) : is_shown_(is_shown), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

  [[nodiscard]] bool is_live() const { return is_shown_ && is_terminal_; }

  /// `headline` may end in a part that changes all the time (`clock_text`), which does not count as a change.
  void draw(const std::string& headline, const std::string& clock_text, const std::vector<std::string>& more) {
    if (!is_shown_) return;
    if (!is_terminal_) {
      if (headline != last_) std::cerr << headline << clock_text << std::endl;
      last_ = headline;
      return;
    }
    std::string text;
    if (lines_drawn_ > 0) text += "\x1b[" + std::to_string(lines_drawn_) + "A";
    text += "\r\x1b[J" + cut(headline + clock_text) + "\n";
    for (const std::string& line : more) text += cut(line) + "\n";
    lines_drawn_ = 1 + more.size();
    std::cerr << text << std::flush;
  }

  /// How wide a bar fits into a line beside `letters` others.
  [[nodiscard]] std::size_t bar_width(std::size_t letters) const {
    if (!is_terminal_) return bar_width_max;
    const std::size_t room = columns() > letters ? columns() - letters : 0;
    return std::clamp(room, bar_width_min, bar_width_max);
  }

 private:
  static std::size_t columns() {
    winsize size{};
    const bool is_known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return is_known ? size.ws_col : 80;
  }

  /// A line that wraps would break the count of lines to go up.
  static std::string cut(const std::string& line) {
    const std::size_t width = columns();
    std::string shown;
    std::size_t letters = 0;
    for (const char letter : line) {
      const auto byte = static_cast<unsigned char>(letter);
      if ((byte & 0xC0) != 0x80 && ++letters >= width) break;
      shown += byte < 0x20 ? ' ' : letter;
    }
    return shown;
  }

  bool is_shown_;
  bool is_terminal_;
  std::string last_;
  std::size_t lines_drawn_ = 0;
};

/// Polls less and less often; false when the limit is over.
class pace {
 public:
  explicit pace(std::int64_t limit_ms) {
    if (limit_ms > 0) end_ = clock::now() + std::chrono::milliseconds{limit_ms};
  }
  bool wait() {
    if (clock::now() >= end_) return false;
    std::this_thread::sleep_for(interval_);
    interval_ = std::min(interval_ * 3 / 2, longest_interval);
    return true;
  }

 private:
  clock::time_point end_ = clock::time_point::max();
  std::chrono::milliseconds interval_ = first_interval;
};

error limit_is_over(const std::string& what) {
  return {errc::deadline_exceeded, what + " is not final yet; it goes on, and can be waited for again", {}};
}

std::uint32_t count_of(const v1::Plan& plan, v1::TaskState state) {
  return state < plan.steps_by_state_size() ? plan.steps_by_state(state) : 0;
}

std::vector<std::string> running_steps(client& connection, plan_id id) {
  std::vector<std::string> lines;
  const auto status = connection.get_execution_plan_status(id, true, 0, steps_page);
  if (!status) return lines;
  for (const v1::StepView& step : status->steps()) {
    if (step.state() != v1::TASK_STATE_RUNNING) continue;
    if (lines.size() == running_steps_shown_max) {
      lines.emplace_back("  ...");
      break;
    }
    std::string line = "  " + step.name() + "  " + elapsed(step.started_unix_ms());
    if (step.progress_ppm() > 0) line += "  " + std::to_string(step.progress_ppm() / 10'000) + "%";
    lines.push_back(line);
  }
  return lines;
}

/// Why a task waits is news; that a running one is executed is not.
bool is_waiting(v1::TaskState state) {
  return state == v1::TASK_STATE_SCHEDULED || state == v1::TASK_STATE_BLOCKED || state == v1::TASK_STATE_QUEUED;
}

std::string task_headline(const v1::Task& task) {
  const v1::TaskStatus& status = task.status();
  std::string line = to_string(task_id{task.id()}) + "  " + name_of(status.state());
  if (is_waiting(status.state()) && status.reason() != v1::REASON_UNSPECIFIED)
    line += " (" + name_of(status.reason()) + ")";
  if (status.attempt() > 1) line += "  attempt " + std::to_string(status.attempt());
  if (status.progress_ppm() > 0) {
    line += "  " + progress_bar(status.progress_ppm() / 1e6, bar_width_max) + " " +
            std::to_string(status.progress_ppm() / 10'000) + "%";
  }
  if (!status.progress_message().empty()) line += "  " + status.progress_message();
  return line;
}

}  // namespace

std::string progress_bar(double share, std::size_t width) {
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "]";
}

std::string describe_counts(const v1::Plan& plan) {
  std::string text =
      std::to_string(plan.status().steps_final()) + "/" + std::to_string(plan.spec().step_count()) + " steps";
  constexpr v1::TaskState shown[] = {v1::TASK_STATE_RUNNING,   v1::TASK_STATE_LEASED, v1::TASK_STATE_QUEUED,
                                     v1::TASK_STATE_SCHEDULED, v1::TASK_STATE_FAILED, v1::TASK_STATE_CANCELED,
                                     v1::TASK_STATE_SKIPPED};
  for (const v1::TaskState state : shown) {
    if (const auto count = count_of(plan, state); count > 0)
      text += ", " + std::to_string(count) + " " + name_of(state);
  }
  return text;
}

result<v1::Task> watch_task(client& connection, task_id id, std::int64_t limit_ms, bool is_shown) {
  display screen{is_shown};
  pace next{limit_ms};
  for (;;) {
    auto task = connection.get_task(id, {false, false});
    if (!task) return task;
    screen.draw(task_headline(*task),
                "  " + elapsed(task->status().created_unix_ms(), task->status().finished_unix_ms()), {});
    if (is_final(task->status().state())) return connection.get_task(id);
    if (!next.wait()) return limit_is_over(to_string(id));
  }
}

result<v1::Plan> watch_plan(client& connection, plan_id id, std::int64_t limit_ms, bool is_shown) {
  display screen{is_shown};
  pace next{limit_ms};
  for (;;) {
    const auto status = connection.get_execution_plan_status(id, false);
    if (!status) return status.failure();
    const v1::Plan& plan = status->plan();
    const double share =
        plan.spec().step_count() == 0 ? 0 : double(plan.status().steps_final()) / plan.spec().step_count();
    const std::string who = to_string(id) + "  " + name_of(plan.status().state()) + "  ";
    const std::string counts = " " + describe_counts(plan);
    const std::string took = "  " + elapsed(plan.status().created_unix_ms(), plan.status().finished_unix_ms());
    constexpr std::size_t brackets_and_margin = 4;
    const std::size_t width = screen.bar_width(who.size() + counts.size() + took.size() + brackets_and_margin);
    const bool is_over = is_final(plan.status().state());
    screen.draw(who + progress_bar(share, width) + counts, took,
                screen.is_live() && !is_over ? running_steps(connection, id) : std::vector<std::string>{});
    if (is_over) return plan;
    if (!next.wait()) return limit_is_over(to_string(id));
  }
}

}  // namespace hive::hivectl
