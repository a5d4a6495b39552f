#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "gate/authority.hpp"

namespace hive::hivectl {

/// A folder with an authority and the certificates that it issued: authority.crt, authority.key, NAME.crt, NAME.key.
/// Keys are readable by their owner only. What is there is never written over but by the replace_ functions, which
/// leave the old file in place until the new one is whole.
class pem_folder {
 public:
  explicit pem_folder(std::filesystem::path path) : path_(std::move(path)) {}

  [[nodiscard]] std::filesystem::path certificate_path(const std::string& name) const {
    return path_ / (name + ".crt");
  }
  [[nodiscard]] std::filesystem::path key_path(const std::string& name) const { return path_ / (name + ".key"); }
  /// Names of the certificates but the authority's, sorted.
  [[nodiscard]] std::vector<std::string> names() const;

  /// How the certificate stands against `authority` (PEM of one or more): empty if it holds, else why not.
  [[nodiscard]] std::string problem_of(const std::string& name, const std::string& authority) const;

  /// Makes the folder (0700) if it is missing.
  [[nodiscard]] result<void> make() const;
  [[nodiscard]] result<gate::key_pair> read(const std::string& name) const;
  [[nodiscard]] result<std::string> read_certificate(const std::string& name) const;
  /// already_exists if either file is there.
  [[nodiscard]] result<void> add(const std::string& name, const gate::key_pair& pair) const;
  [[nodiscard]] result<void> replace(const std::string& name, const gate::key_pair& pair) const;
  [[nodiscard]] result<void> replace_certificate(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

/// The name of the authority's files.
inline constexpr const char* authority_name = "authority";

}  // namespace hive::hivectl
