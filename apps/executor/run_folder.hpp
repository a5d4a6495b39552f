#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"

namespace hive::executor {

/// The result of a step that this one needs, as a process reads it.
struct step_input {
  std::string step_name;
  std::string bytes;
  /// More was written than was kept: the file is called `<step>.truncated`, so that nobody takes a part for the whole.
  bool is_truncated = false;
};

/// The file name of an input: the step's name with '/', '%', control letters and a leading '.' as %XX, plus
/// ".truncated" where it applies; "input-<n>" if that were longer than a file name may be.
std::string input_file_name(const step_input& input, std::size_t index);

/// A temporary folder for one run, removed with everything in it by the destructor:
/// inputs/<step>, inputs.json (step name -> file name), script, and tmp/ for the process itself.
class run_folder {
 public:
  /// unavailable with the system's words if the folder or a file cannot be written.
  static result<run_folder> create(const std::vector<step_input>& inputs, const std::string& script);

  run_folder(run_folder&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  run_folder(const run_folder&) = delete;
  run_folder& operator=(const run_folder&) = delete;
  run_folder& operator=(run_folder&&) = delete;
  ~run_folder();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string inputs() const { return path_ + "/inputs"; }
  [[nodiscard]] std::string index() const { return path_ + "/inputs.json"; }
  [[nodiscard]] std::string script() const { return path_ + "/script"; }
  [[nodiscard]] std::string scratch() const { return path_ + "/tmp"; }

 private:
  explicit run_folder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace hive::executor
