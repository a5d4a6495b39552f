#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "gate/access_rules.hpp"

namespace hive::gate {

/// A certificate and its private key, both as PEM text.
struct key_pair {
  std::string certificate;
  std::string key;
};

/// From and to, in unix seconds.
struct validity {
  std::int64_t from_unix_s = 0;
  std::int64_t until_unix_s = 0;
};

/// From five minutes ago (clocks differ) to `days` from now.
validity valid_for_days(std::int64_t days);

/// A private certificate authority for one cluster: ECDSA P-256, self-signed, may issue end certificates only.
/// invalid_argument for a name that is no identity word.
result<key_pair> make_authority(const std::string& cluster, const validity& when);

/// The cluster that an authority was made for.
result<std::string> cluster_of_authority(const std::string& certificate_pem);

/// The certificates of a PEM text, each as its own, in order; anything else is left out.
std::vector<std::string> split_certificates(const std::string& pem);

struct certificate_request {
  std::string name;
  role_set roles;
  std::vector<std::string> hosts;  // names and addresses that clients connect to; a node needs at least one
  validity when;                   // cut at the end of the authority's
};

/// A new key with a certificate of the authority: for TLS clients, and with the role node for TLS servers too.
/// invalid_argument for what no certificate can say; failed_precondition if the authority has expired or is none.
result<key_pair> issue_certificate(const key_pair& authority, const certificate_request& request);

/// What a certificate says, for rotation and for people.
struct certificate_facts {
  std::string name;
  std::string cluster;
  role_set roles;
  std::vector<std::string> hosts;
  validity when;
};
result<certificate_facts> read_certificate(const std::string& certificate_pem);

}  // namespace hive::gate
