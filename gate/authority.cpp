#include "gate/authority.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>

#include <arpa/inet.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "gate/identity.hpp"

namespace hive::gate {
namespace {

constexpr std::int64_t clock_difference_s = 300;
constexpr std::int64_t day_s = 86'400;
constexpr std::size_t hosts_max = 100;
constexpr std::size_t host_bytes_max = 253;

template <auto Free>
struct release {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using key_ptr = std::unique_ptr<EVP_PKEY, release<EVP_PKEY_free>>;
using certificate_ptr = std::unique_ptr<X509, release<X509_free>>;
using bio_ptr = std::unique_ptr<BIO, release<BIO_free_all>>;
using extension_ptr = std::unique_ptr<X509_EXTENSION, release<X509_EXTENSION_free>>;

error openssl_failure(const std::string& what) {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return {errc::internal, what + " failed: " + (reason == nullptr ? "unknown reason" : reason), {}};
}

certificate_ptr parse_certificate(const std::string& pem) {
  ERR_clear_error();
  const bio_ptr source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return certificate_ptr(PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr));
}

key_ptr parse_key(const std::string& pem) {
  const bio_ptr source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return key_ptr(PEM_read_bio_PrivateKey(source.get(), nullptr, nullptr, nullptr));
}

std::string text_of(BIO* sink) {
  char* start = nullptr;
  const long size = BIO_get_mem_data(sink, &start);
  return size > 0 ? std::string(start, static_cast<std::size_t>(size)) : std::string{};
}

result<key_pair> to_pem(X509* certificate, EVP_PKEY* key) {
  const bio_ptr certificate_text(BIO_new(BIO_s_mem()));
  const bio_ptr key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_failure("writing a certificate");
  return key_pair{text_of(certificate_text.get()), text_of(key_text.get())};
}

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

/// Letters, digits, '-', '.', and '*' alone as the first label: the extension's text has commas and colons of its own.
bool is_host_name(const std::string& host) {
  const std::string_view rest = host.starts_with("*.") ? std::string_view(host).substr(2) : std::string_view(host);
  return !rest.empty() && host.size() <= host_bytes_max && std::all_of(rest.begin(), rest.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '-' || letter == '.';
  });
}

bool add_name_entry(X509_NAME* name, const char* field, const std::string& text) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const extension_ptr made(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return made && X509_add_ext(certificate, made.get(), -1) == 1;
}

bool set_random_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x3FU) | 0x40U);  // positive, and of full length
  const std::unique_ptr<BIGNUM, release<BN_free>> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

std::string random_suffix() {
  std::array<unsigned char, 4> bytes{};
  RAND_bytes(bytes.data(), static_cast<int>(bytes.size()));
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
  return text.data();
}

std::int64_t unix_s(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? static_cast<std::int64_t>(::timegm(&parts)) : 0;
}

/// Everything that the certificates of authorities and of others have in common.
result<certificate_ptr> make_blank(const validity& when, EVP_PKEY* key, const std::string& cluster,
                                   const std::string& name) {
  certificate_ptr made(X509_new());
  if (!made || X509_set_version(made.get(), X509_VERSION_3) != 1 || !set_random_serial(made.get()) ||
      ASN1_TIME_set(X509_getm_notBefore(made.get()), when.from_unix_s) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(made.get()), when.until_unix_s) == nullptr ||
      X509_set_pubkey(made.get(), key) != 1 || !add_name_entry(X509_get_subject_name(made.get()), "O", cluster) ||
      !add_name_entry(X509_get_subject_name(made.get()), "CN", name))
    return openssl_failure("making a certificate");
  return made;
}

std::vector<std::string> alternative_names(const X509* certificate, int kind) {
  std::vector<std::string> found;
  const std::unique_ptr<GENERAL_NAMES, release<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int at = 0; at < count; ++at) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), at);
    if (name->type != kind) continue;
    const ASN1_STRING* const text = kind == GEN_IPADD ? name->d.iPAddress : name->d.ia5;
    const auto* const bytes = ASN1_STRING_get0_data(text);
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(text));
    if (kind != GEN_IPADD) {
      found.emplace_back(reinterpret_cast<const char*>(bytes), size);
    } else {
      std::array<char, INET6_ADDRSTRLEN> address{};
      const int family = size == sizeof(in_addr) ? AF_INET : AF_INET6;
      if (size != sizeof(in_addr) && size != sizeof(in6_addr)) continue;
      if (inet_ntop(family, bytes, address.data(), address.size()) != nullptr) found.emplace_back(address.data());
    }
  }
  return found;
}

result<std::string> alternative_names_of(const certificate_request& request, const std::string& cluster) {
  if (!is_identity_word(request.name))
    return error{errc::invalid_argument,
                 "\"" + request.name + "\" is no name: letters, digits, '-', '_' and '.', at most 63",
                 {}};
  if (request.roles.is_empty()) return error{errc::invalid_argument, "a certificate needs a role", {}};
  if (request.hosts.size() > hosts_max)
    return error{errc::invalid_argument, "at most " + std::to_string(hosts_max) + " hosts fit a certificate", {}};
  if (request.roles.has_any_of(role::node) && request.hosts.empty())
    return error{errc::invalid_argument, "a node's certificate needs the hosts that clients connect to", {}};
  std::string names;
  const auto add = [&names](const std::string& name) { names += (names.empty() ? "" : ",") + name; };
  for (const role one : {role::client, role::worker, role::node, role::operator_}) {
    if (request.roles.has_any_of(one)) add("URI:" + identity_uri(cluster, one, request.name));
  }
  for (const std::string& host : request.hosts) {
    if (is_address(host)) {
      add("IP:" + host);
    } else if (is_host_name(host)) {
      add("DNS:" + host);
    } else {
      return error{errc::invalid_argument, "\"" + host + "\" is neither a host name nor an address", {}};
    }
  }
  return names;
}

}  // namespace

validity valid_for_days(std::int64_t days) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return {now.count() - clock_difference_s, now.count() + days * day_s};
}

result<key_pair> make_authority(const std::string& cluster, const validity& when) {
  if (!is_identity_word(cluster))
    return error{errc::invalid_argument,
                 "\"" + cluster + "\" is no name of a cluster: letters, digits, '-', '_' and '.', at most 63",
                 {}};
  const key_ptr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failure("making a key");
  // Two authorities of one cluster must not be taken for each other.
  auto made = make_blank(when, key.get(), cluster, "hive authority " + random_suffix());
  if (!made) return made.failure();
  X509* const certificate = made->get();
  if (X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) != 1 ||
      !add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(certificate, certificate, NID_subject_key_identifier, "hash") ||
      X509_sign(certificate, key.get(), EVP_sha256()) == 0)
    return openssl_failure("making a certificate");
  return to_pem(certificate, key.get());
}

result<std::string> cluster_of_authority(const std::string& certificate_pem) {
  const auto certificate = parse_certificate(certificate_pem);
  if (!certificate || X509_check_ca(certificate.get()) != 1)
    return error{errc::failed_precondition, "this is no certificate of an authority", {}};
  std::array<char, 128> text{};
  if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_organizationName, text.data(),
                                static_cast<int>(text.size())) <= 0 ||
      !is_identity_word(text.data()))
    return error{errc::failed_precondition, "this authority was not made for a hive cluster", {}};
  return std::string(text.data());
}

std::vector<std::string> split_certificates(const std::string& pem) {
  static constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
  static constexpr std::string_view end = "-----END CERTIFICATE-----";
  std::vector<std::string> found;
  for (std::size_t from = pem.find(begin); from != std::string::npos; from = pem.find(begin, from)) {
    const std::size_t last = pem.find(end, from);
    if (last == std::string::npos) break;
    found.push_back(pem.substr(from, last + end.size() - from) + "\n");
    from = last;
  }
  return found;
}

result<key_pair> issue_certificate(const key_pair& authority, const certificate_request& request) {
  const auto cluster = cluster_of_authority(authority.certificate);
  if (!cluster) return cluster.failure();
  const auto names = alternative_names_of(request, *cluster);
  if (!names) return names.failure();
  const auto issuer = parse_certificate(authority.certificate);
  const auto issuer_key = parse_key(authority.key);
  if (!issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return error{errc::failed_precondition, "the authority's key does not belong to its certificate", {}};
  validity when = request.when;
  when.until_unix_s = std::min(when.until_unix_s, unix_s(X509_get0_notAfter(issuer.get())));
  if (when.until_unix_s <= when.from_unix_s)
    return error{
        errc::failed_precondition, "the certificate would end before it begins: has the authority expired?", {}};

  const key_ptr key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failure("making a key");
  auto made = make_blank(when, key.get(), *cluster, request.name);
  if (!made) return made.failure();
  X509* const certificate = made->get();
  const bool is_node = request.roles.has_any_of(role::node);
  if (X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) != 1 ||
      !add_extension(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(certificate, issuer.get(), NID_ext_key_usage, is_node ? "serverAuth,clientAuth" : "clientAuth") ||
      !add_extension(certificate, issuer.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(certificate, issuer.get(), NID_authority_key_identifier, "keyid:always") ||
      !add_extension(certificate, issuer.get(), NID_subject_alt_name, *names) ||
      X509_sign(certificate, issuer_key.get(), EVP_sha256()) == 0)
    return openssl_failure("making a certificate");
  return to_pem(certificate, key.get());
}

result<certificate_facts> read_certificate(const std::string& certificate_pem) {
  const auto certificate = parse_certificate(certificate_pem);
  if (!certificate) return error{errc::invalid_argument, "this is no certificate", {}};
  const auto who = identity_of(*certificate);
  if (!who) return who.failure();
  certificate_facts facts{who->name, who->cluster, who->roles, alternative_names(certificate.get(), GEN_DNS), {}};
  for (auto& address : alternative_names(certificate.get(), GEN_IPADD)) facts.hosts.push_back(std::move(address));
  facts.when = {unix_s(X509_get0_notBefore(certificate.get())), who->valid_until_unix_s};
  return facts;
}

}  // namespace hive::gate
