#include "gate/identity.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <memory>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace hive::gate {
namespace {

constexpr std::string_view scheme = "hive://";
constexpr std::size_t word_bytes_max = 63;
constexpr std::size_t subject_bytes_max = 200;

error refuse(std::string why) { return {errc::invalid_argument, std::move(why), {}}; }

/// A certificate is written by whoever signed it, and quoted in logs.
std::string printable(std::string_view text) {
  std::string clean(text.substr(0, subject_bytes_max));
  std::replace_if(
      clean.begin(), clean.end(), [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return clean;
}

struct parsed_uri {
  std::string_view cluster;
  role_set what;
  std::string_view name;
};

result<parsed_uri> parse_uri(std::string_view uri) {
  const std::string_view path = uri.substr(scheme.size());
  const std::size_t first = path.find('/');
  const std::size_t second = first == std::string_view::npos ? first : path.find('/', first + 1);
  if (second == std::string_view::npos) return refuse(printable(uri) + " is not hive://CLUSTER/ROLE/NAME");
  parsed_uri parsed{path.substr(0, first), parse_role(path.substr(first + 1, second - first - 1)),
                    path.substr(second + 1)};
  if (!is_identity_word(parsed.cluster) || !is_identity_word(parsed.name))
    return refuse(printable(uri) + " names no cluster, or nobody");
  if (parsed.what.is_empty()) return refuse(printable(uri) + " has a role that does not exist");
  return parsed;
}

}  // namespace

std::string identity::text() const { return to_string(roles) + " " + name + " of " + cluster; }

bool is_identity_word(std::string_view text) {
  return !text.empty() && text.size() <= word_bytes_max && std::all_of(text.begin(), text.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' || letter == '_' || letter == '.';
  });
}

std::string identity_uri(std::string_view cluster, role one, std::string_view name) {
  return std::string(scheme) + std::string(cluster) + "/" + to_string(one) + "/" + std::string(name);
}

result<identity> parse_identity(const std::vector<std::string>& uris) {
  identity who;
  for (const std::string& uri : uris) {
    if (!uri.starts_with(scheme)) continue;
    const auto parsed = parse_uri(uri);
    if (!parsed) return parsed.failure();
    if (!who.roles.is_empty() && (who.cluster != parsed->cluster || who.name != parsed->name))
      return refuse("it names two clusters or two holders");
    who.cluster = parsed->cluster;
    who.name = parsed->name;
    who.roles = who.roles | parsed->what;
  }
  if (who.roles.is_empty()) return refuse("it has no name hive://CLUSTER/ROLE/NAME");
  return who;
}

result<identity> identity_of(const x509_st& certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  std::vector<std::string> uris;
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int at = 0; at < count; ++at) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), at);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const text = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  auto who = parse_identity(uris);
  if (!who) return who;
  std::tm until{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &until) != 1)
    return refuse("its end of validity is unreadable");
  who->valid_until_unix_s = static_cast<std::int64_t>(::timegm(&until));
  return who;
}

std::string subject_of(const x509_st& certificate) {
  char text[subject_bytes_max + 1] = "";
  X509_NAME_oneline(X509_get_subject_name(&certificate), text, sizeof text);
  return printable(text);
}

}  // namespace hive::gate
