#include "config/logging.hpp"

#include <spdlog/details/os.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "base/nearest_name.hpp"
#include "config/json_text.hpp"

namespace hive::config {

namespace {

std::string time_text(spdlog::log_clock::time_point time) {
  const auto since_epoch = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::tm calendar = spdlog::details::os::gmtime(static_cast<std::time_t>(since_epoch / 1000));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", calendar.tm_year + 1900, calendar.tm_mon + 1,
                     calendar.tm_mday, calendar.tm_hour, calendar.tm_min, calendar.tm_sec, since_epoch % 1000);
}

std::string_view level_text(spdlog::level::level_enum level) {
  constexpr std::array<std::string_view, 7> names{"trace", "debug", "info", "warn", "error", "error", "off"};
  return names.at(static_cast<std::size_t>(level));
}

std::string_view view_of(spdlog::string_view_t text) { return {text.data(), text.size()}; }

void append(spdlog::memory_buf_t& line, std::string_view text) { line.append(text.data(), text.data() + text.size()); }

class text_line_formatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    append(line, time_text(message.time));
    append(line, " ");
    message.color_range_start = line.size();
    append(line, fmt::format("{:<5}", level_text(message.level)));
    message.color_range_end = line.size();
    append(line, " [");
    append(line, view_of(message.logger_name));
    append(line, "] ");
    append(line, escape_control_characters(view_of(message.payload)));
    append(line, "\n");
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<text_line_formatter>();
  }
};

class json_line_formatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const std::string_view text = view_of(message.payload);
    append(line, "{\"time\":\"" + time_text(message.time) + "\",\"level\":\"");
    append(line, level_text(message.level));
    append(line, "\",\"component\":" + json_quoted(view_of(message.logger_name)) + ",\"message\":" + json_quoted(text));
    for (const auto& [key, value] : lifted_fields(text))
      append(line, "," + json_quoted(key) + ":" + json_quoted(value));
    append(line, "}\n");
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<json_line_formatter>();
  }
};

std::unique_ptr<spdlog::formatter> formatter_of(const std::string& format) {
  if (format == "json") return std::make_unique<json_line_formatter>();
  return std::make_unique<text_line_formatter>();
}

spdlog::level::level_enum level_of(const std::string& name) {
  const auto& names = log_levels();
  const auto place = std::find(names.begin(), names.end(), name) - names.begin();
  constexpr std::array<spdlog::level::level_enum, 6> levels{spdlog::level::trace, spdlog::level::debug,
                                                            spdlog::level::info,  spdlog::level::warn,
                                                            spdlog::level::err,   spdlog::level::off};
  return levels.at(static_cast<std::size_t>(place));
}

/// What all loggers of the process share. Until configure_logging: text on standard error from level warn.
struct logging_state {
  std::mutex mutex;
  spdlog::sink_ptr sink;
  spdlog::level::level_enum level = spdlog::level::warn;
  std::map<std::string, spdlog::level::level_enum> component_levels;
  std::map<std::string, std::shared_ptr<spdlog::logger>> loggers;

  logging_state() : sink(std::make_shared<spdlog::sinks::stderr_color_sink_mt>()) {
    sink->set_formatter(formatter_of("text"));
  }

  void adjust(const std::string& component, spdlog::logger& target) const {
    const auto own = component_levels.find(component);
    target.set_level(own == component_levels.end() ? level : own->second);
    target.sinks() = {sink};
    target.flush_on(spdlog::level::trace);
  }
};

logging_state& shared_state() {
  static logging_state state;
  return state;
}

result<spdlog::sink_ptr> open_sink(const log_config& log) {
  if (log.file.empty()) return spdlog::sink_ptr(std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  try {
    return spdlog::sink_ptr(std::make_shared<spdlog::sinks::basic_file_sink_mt>(log.file));
  } catch (const spdlog::spdlog_ex& failure) {
    return error{errc::unavailable, "cannot open the log file: " + std::string(failure.what()), "log.file"};
  }
}

}  // namespace

const std::vector<std::string>& log_components() {
  static const std::vector<std::string> names{
      "hived",           "node",       "ledger",      "task_manager", "dispatcher", "worker_registry", "event_bus",
      "plan_supervisor", "timekeeper", "persistence", "metrics",      "config",     "client",          "worker",
      "executor",        "hivectl",    "gate",        "cluster",      "replicator"};
  return names;
}

const std::vector<std::string>& log_levels() {
  static const std::vector<std::string> names{"trace", "debug", "info", "warn", "error", "off"};
  return names;
}

result<void> check_component_level(const std::string& text, const std::string& name) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    return error{errc::invalid_argument, name + " must hold COMPONENT=LEVEL, found \"" + text + "\"", name};
  }
  const auto check = [&](const std::string& found, const std::vector<std::string>& names,
                         const std::string& what) -> result<void> {
    if (std::find(names.begin(), names.end(), found) != names.end()) return {};
    const std::string near = nearest_name(found, names);
    return error{errc::invalid_argument,
                 name + ": there is no " + what + " \"" + found + "\"" +
                     (near.empty() ? "" : "; did you mean \"" + near + "\"?"),
                 name};
  };
  if (auto checked = check(text.substr(0, equals), log_components(), "component"); !checked) return checked;
  return check(text.substr(equals + 1), log_levels(), "level");
}

result<void> configure_logging(const log_config& log) {
  const auto& levels = log_levels();
  if (std::find(levels.begin(), levels.end(), log.level) == levels.end()) {
    return error{errc::invalid_argument, "there is no log level \"" + log.level + "\"", "log.level"};
  }
  if (log.format != "text" && log.format != "json") {
    return error{errc::invalid_argument, "there is no log format \"" + log.format + "\"", "log.format"};
  }
  std::map<std::string, spdlog::level::level_enum> component_levels;
  for (const std::string& entry : log.components) {
    if (auto checked = check_component_level(entry, "log.components"); !checked) return checked;
    const std::size_t equals = entry.find('=');
    component_levels[entry.substr(0, equals)] = level_of(entry.substr(equals + 1));
  }
  result<spdlog::sink_ptr> sink = open_sink(log);
  if (!sink) return sink.failure();
  (*sink)->set_formatter(formatter_of(log.format));

  logging_state& state = shared_state();
  const std::lock_guard guard(state.mutex);
  state.sink = *sink;
  state.level = level_of(log.level);
  state.component_levels = std::move(component_levels);
  for (const auto& [component, target] : state.loggers) state.adjust(component, *target);
  return {};
}

std::shared_ptr<spdlog::logger> logger(const std::string& component) {
  logging_state& state = shared_state();
  const std::lock_guard guard(state.mutex);
  auto& entry = state.loggers[component];
  if (entry == nullptr) {
    entry = std::make_shared<spdlog::logger>(component, state.sink);
    state.adjust(component, *entry);
  }
  return entry;
}

}  // namespace hive::config
