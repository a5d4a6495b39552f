#include "apps/hivectl/pem_folder.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "gate/tls_context.hpp"

namespace hive::hivectl {
namespace {

constexpr mode_t private_mode = 0600;
constexpr mode_t public_mode = 0644;
constexpr std::size_t file_bytes_max = 1U << 20U;

error cannot(const std::string& what, const std::filesystem::path& path, int reason) {
  const errc code = reason == EEXIST ? errc::already_exists : reason == ENOENT ? errc::not_found : errc::unavailable;
  return {code, "cannot " + what + " " + path.string() + ": " + std::strerror(reason), {}};
}

/// Never opens what is there: not a file of somebody else, not a link.
result<void> write_new(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return cannot("write", path, errno);
  const ssize_t written = ::write(file, text.data(), text.size());
  const bool is_whole = written == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int reason = is_whole ? 0 : errno;
  ::close(file);
  if (is_whole) return {};
  ::unlink(path.c_str());
  return cannot("write", path, reason == 0 ? ENOSPC : reason);
}

result<void> write_over(const std::filesystem::path& path, const std::string& text, mode_t mode) {
  auto draft = path;
  draft += ".new";
  ::unlink(draft.c_str());  // of an attempt that was interrupted
  if (auto written = write_new(draft, text, mode); !written) return written;
  if (::rename(draft.c_str(), path.c_str()) != 0) return cannot("replace", path, errno);
  return {};
}

result<std::string> read_file(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return cannot("read", path, errno == 0 ? ENOENT : errno);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.size() > file_bytes_max) return error{errc::invalid_argument, path.string() + " is too large", {}};
  return text;
}

}  // namespace

std::vector<std::string> pem_folder::names() const {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
    if (entry.path().extension() != ".crt" || entry.path().stem() == authority_name) continue;
    found.push_back(entry.path().stem().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string pem_folder::problem_of(const std::string& name, const std::string& authority) const {
  // The check takes files, and what is to be trusted may be a part of one.
  const int file = ::memfd_create("authority", MFD_CLOEXEC);
  if (file < 0) return std::string{"cannot be checked: "} + std::strerror(errno);
  const bool is_written = ::write(file, authority.data(), authority.size()) == static_cast<ssize_t>(authority.size());
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const auto loaded =
      gate::tls_context::load({certificate_path(name).string(), key_path(name).string(), path}, gate::tls_end::client);
  ::close(file);
  if (!is_written) return "cannot be checked";
  if (loaded) return {};
  const std::string& why = loaded.failure().message;
  const auto reason = why.rfind(": ");
  const bool is_of_key = why.find("key " + key_path(name).string()) != std::string::npos;
  return (is_of_key ? "key: " : "") + (reason == std::string::npos ? why : why.substr(reason + 2));
}

result<void> pem_folder::make() const {
  if (::mkdir(path_.c_str(), S_IRWXU) == 0 || errno == EEXIST) return {};
  return cannot("make the folder", path_, errno);
}

result<gate::key_pair> pem_folder::read(const std::string& name) const {
  const auto certificate = read_file(certificate_path(name));
  if (!certificate) return certificate.failure();
  const auto key = read_file(key_path(name));
  if (!key) return key.failure();
  return gate::key_pair{*certificate, *key};
}

result<std::string> pem_folder::read_certificate(const std::string& name) const {
  return read_file(certificate_path(name));
}

result<void> pem_folder::add(const std::string& name, const gate::key_pair& pair) const {
  if (std::filesystem::exists(certificate_path(name))) return cannot("write", certificate_path(name), EEXIST);
  if (auto written = write_new(key_path(name), pair.key, private_mode); !written) return written;
  auto written = write_new(certificate_path(name), pair.certificate, public_mode);
  if (!written) ::unlink(key_path(name).c_str());
  return written;
}

result<void> pem_folder::replace(const std::string& name, const gate::key_pair& pair) const {
  if (auto written = write_over(key_path(name), pair.key, private_mode); !written) return written;
  return replace_certificate(name, pair.certificate);
}

result<void> pem_folder::replace_certificate(const std::string& name, const std::string& text) const {
  return write_over(certificate_path(name), text, public_mode);
}

}  // namespace hive::hivectl
