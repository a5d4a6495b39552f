#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "gate/access_rules.hpp"

struct x509_st;  // OpenSSL's X509

namespace hive::gate {

/// Who a certificate says its holder is: URI names of the form hive://CLUSTER/ROLE/NAME among the certificate's subject
/// alternative names, one for each role, all with the same cluster and name.
struct identity {
  std::string cluster;
  std::string name;
  role_set roles;
  std::int64_t valid_until_unix_s = 0;

  /// "client, worker carol of demo".
  [[nodiscard]] std::string text() const;
};

/// Letters, digits, '-', '_' and '.', 1 to 63 of them: what a cluster and a name may be.
bool is_identity_word(std::string_view text);

/// "hive://demo/worker/carol".
std::string identity_uri(std::string_view cluster, role one, std::string_view name);

/// Reads the URIs of one certificate; others than hive:// are left out. invalid_argument if there is none of hive's, if
/// one is malformed, or if they do not agree.
result<identity> parse_identity(const std::vector<std::string>& uris);

/// The same from a certificate, with its end of validity.
result<identity> identity_of(const x509_st& certificate);

/// The subject of a certificate for people: at most 200 printable characters.
std::string subject_of(const x509_st& certificate);

}  // namespace hive::gate
