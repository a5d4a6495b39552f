#include "apps/executor/run_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

namespace hive::executor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t file_name_bytes_max = 240;

bool write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file{path, std::ios::binary};
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return file.good();
}

error cannot_write(const std::string& path) {
  return {errc::unavailable, "cannot write " + path + ": " + std::strerror(errno), {}};
}

result<void> fill(const run_folder& folder, const std::vector<step_input>& inputs, const std::string& script) {
  std::error_code failure;
  fs::create_directory(folder.inputs(), failure);
  if (!failure) fs::create_directory(folder.scratch(), failure);
  if (failure) return error{errc::unavailable, "cannot create " + folder.path() + ": " + failure.message(), {}};
  nlohmann::ordered_json index = nlohmann::ordered_json::object();
  std::set<std::string> taken;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::string name = input_file_name(inputs[i], i);
    if (!taken.insert(name).second) name = "input-" + std::to_string(i);
    const std::string path = folder.inputs() + "/" + name;
    if (!write_file(path, inputs[i].bytes)) return cannot_write(path);
    index[inputs[i].step_name] = {{"file", name}, {"truncated", inputs[i].is_truncated}};
  }
  const std::string index_text = index.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (!write_file(folder.index(), index_text)) return cannot_write(folder.index());
  if (!script.empty() && !write_file(folder.script(), script)) return cannot_write(folder.script());
  return {};
}

}  // namespace

std::string input_file_name(const step_input& input, std::size_t index) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string name;
  for (const char letter : input.step_name) {
    const auto byte = static_cast<unsigned char>(letter);
    const bool is_plain =
        letter != '/' && letter != '%' && byte >= 0x20 && byte != 0x7F && !(name.empty() && letter == '.');
    if (is_plain) {
      name += letter;
    } else {
      name += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  if (name.empty() || name.size() > file_name_bytes_max) name = "input-" + std::to_string(index);
  return input.is_truncated ? name + ".truncated" : name;
}

result<run_folder> run_folder::create(const std::vector<step_input>& inputs, const std::string& script) {
  const char* const base = std::getenv("TMPDIR");
  std::string pattern = std::string{base != nullptr && *base != '\0' ? base : "/tmp"} + "/hive-task-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return cannot_write(pattern);
  run_folder folder{pattern};
  if (const auto filled = fill(folder, inputs, script); !filled) return filled.failure();
  return folder;
}

run_folder::~run_folder() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (!ignored) return;
  // A process may have taken its own permissions away from a folder.
  for (auto walk = fs::recursive_directory_iterator{path_, fs::directory_options::skip_permission_denied, ignored};
       !ignored && walk != fs::recursive_directory_iterator{}; walk.increment(ignored)) {
    std::error_code unchanged;
    if (walk->is_directory(unchanged) && !walk->is_symlink(unchanged)) {
      fs::permissions(walk->path(), fs::perms::owner_all, unchanged);
    }
  }
  fs::remove_all(path_, ignored);
}

}  // namespace hive::executor
