#include <unistd.h>

#include <array>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/hivectl/pem_folder.hpp"
#include "apps/hivectl/session.hpp"
#include "gate/identity.hpp"

namespace hive::hivectl {
namespace {

constexpr std::int64_t day_s = 86'400;

struct tls_arguments {
  std::string folder = "hive-tls";
  std::string cluster;
  std::string roles;
  std::string name;
  std::vector<std::string> names;
  std::vector<std::string> hosts;
  std::int64_t days = 365;
  std::int64_t authority_days = 3'650;
  bool is_authority = false;
  bool is_finish = false;
};

std::string date_of(std::int64_t unix_s) { return iso_time(unix_s * 1'000).substr(0, 10); }

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// Local names and addresses: a node that is tried out on one machine needs no --host.
std::vector<std::string> default_hosts() {
  std::vector<std::string> hosts{"localhost", "127.0.0.1", "::1"};
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0') hosts.insert(hosts.begin(), name.data());
  return hosts;
}

result<gate::role_set> parse_roles(const std::string& text) {
  gate::role_set roles;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const auto one = gate::parse_role(text.substr(at, comma - at));
    if (one.is_empty())
      return error{errc::invalid_argument,
                   "\"" + text.substr(at, comma - at) + "\" is no role: node, worker, client, operator", "ROLE"};
    roles = roles | one;
    at = comma + 1;
  }
  return roles;
}

nlohmann::ordered_json describe(const pem_folder& folder, const gate::certificate_facts& facts) {
  return {{"name", facts.name},
          {"cluster", facts.cluster},
          {"roles", gate::to_string(facts.roles)},
          {"hosts", facts.hosts},
          {"valid_until", iso_time(facts.when.until_unix_s * 1'000)},
          {"certificate", folder.certificate_path(facts.name).string()},
          {"key", folder.key_path(facts.name).string()}};
}

nlohmann::ordered_json describe_authority(const pem_folder& folder, const std::string& cluster) {
  return {{"cluster", cluster},
          {"certificate", folder.certificate_path(authority_name).string()},
          {"key", folder.key_path(authority_name).string()}};
}

/// How to use a certificate, in the form of what uses it.
void tell_use(const session& context, const pem_folder& folder, const gate::certificate_facts& facts) {
  const auto certificate = std::filesystem::absolute(folder.certificate_path(facts.name)).string();
  const auto key = std::filesystem::absolute(folder.key_path(facts.name)).string();
  const auto authority = std::filesystem::absolute(folder.certificate_path(authority_name)).string();
  context.out.print_line("");
  if (facts.roles.has_any_of(gate::role::node)) {
    context.out.print_line("next: copy the three files to the node and put into its hive.toml:");
    context.out.print_line("  [node]\n  listen = \"0.0.0.0:7117\"");
    context.out.print_line("  [tls]\n  certificate = \"" + certificate + "\"\n  key = \"" + key +
                           "\"\n  authority = \"" + authority + "\"");
  } else {
    context.out.print_line("next: copy the three files to where it runs and set there (or in [client] of hive.toml):");
    context.out.print_line("  export HIVE_CLIENT_TLS_CERTIFICATE=" + certificate);
    context.out.print_line("  export HIVE_CLIENT_TLS_KEY=" + key);
    context.out.print_line("  export HIVE_CLIENT_TLS_AUTHORITY=" + authority);
    context.out.print_line("  export HIVE_ENDPOINT=HOST:7117");
  }
}

int tell_certificate(const session& context, const pem_folder& folder, const std::string& pem, bool is_new) {
  const auto facts = gate::read_certificate(pem);
  if (!facts) return fail(context, facts.failure());
  if (!context.out.is_table()) {
    context.out.print_value(describe(folder, *facts));
    return 0;
  }
  context.out.print_fields({{"certificate", folder.certificate_path(facts->name).string()},
                            {"key", folder.key_path(facts->name).string()},
                            {"for", gate::to_string(facts->roles) + " " + facts->name + " of " + facts->cluster},
                            {"hosts", joined(facts->hosts)},
                            {"valid until", date_of(facts->when.until_unix_s)}});
  if (is_new) tell_use(context, folder, *facts);
  return 0;
}

int init(const session& context, const tls_arguments& told) {
  const pem_folder folder(told.folder);
  auto made = gate::make_authority(told.cluster, gate::valid_for_days(told.authority_days));
  if (!made) return fail(context, made.failure());
  if (auto done = folder.make(); !done) return fail(context, done.failure());
  if (auto done = folder.add(authority_name, *made); !done) {
    if (done.failure().code != errc::already_exists) return fail(context, done.failure());
    return fail(
        {errc::already_exists,
         told.folder + " holds an authority already; a new one would not know its certificates",
         {}},
        "issue more certificates of it with hivectl tls issue, replace it with hivectl tls rotate --authority, or "
        "name another folder with --dir");
  }
  if (!context.out.is_table()) {
    context.out.print_value(describe_authority(folder, told.cluster));
    return 0;
  }
  context.out.print_fields({{"authority", folder.certificate_path(authority_name).string()},
                            {"key", folder.key_path(authority_name).string() + "  (keep it offline: whoever has it can "
                                                                               "make any certificate)"},
                            {"cluster", told.cluster},
                            {"valid for", std::to_string(told.authority_days) + " days"}});
  context.out.print_line("");
  context.out.print_line(
      "next:\n  hivectl tls issue node n1 --host HOST_OR_ADDRESS_OF_N1\n"
      "  hivectl tls issue worker w1\n  hivectl tls issue client me\n  hivectl tls issue operator admin");
  return 0;
}

int issue(const session& context, const tls_arguments& told) {
  const pem_folder folder(told.folder);
  const auto roles = parse_roles(told.roles);
  if (!roles) return fail(context, roles.failure());
  if (told.name == authority_name)
    return fail(context, {errc::invalid_argument, "\"authority\" is the name of the authority's own files", "NAME"});
  const auto authority = folder.read(authority_name);
  if (!authority) return fail(context, authority.failure());
  gate::certificate_request request{told.name, *roles, told.hosts, gate::valid_for_days(told.days)};
  if (request.hosts.empty() && roles->has_any_of(gate::role::node)) request.hosts = default_hosts();
  const auto issued = gate::issue_certificate(*authority, request);
  if (!issued) return fail(context, issued.failure());
  if (auto done = folder.add(told.name, *issued); !done) return fail(context, done.failure());
  return tell_certificate(context, folder, issued->certificate, true);
}

result<void> renew(const pem_folder& folder, const gate::key_pair& authority, const std::string& name,
                   std::int64_t days) {
  const auto old = folder.read_certificate(name);
  if (!old) return old.failure();
  const auto facts = gate::read_certificate(*old);
  if (!facts)
    return error{errc::invalid_argument, folder.certificate_path(name).string() + ": " + facts.failure().message, {}};
  const auto issued =
      gate::issue_certificate(authority, {facts->name, facts->roles, facts->hosts, gate::valid_for_days(days)});
  if (!issued) return issued.failure();
  return folder.replace(name, *issued);
}

int rotate(const session& context, const tls_arguments& told) {
  const pem_folder folder(told.folder);
  const auto authority = folder.read(authority_name);
  if (!authority) return fail(context, authority.failure());
  const auto names = told.names.empty() ? folder.names() : told.names;
  auto list = nlohmann::ordered_json::array();
  for (const std::string& name : names) {
    if (auto done = renew(folder, *authority, name, told.days); !done) return fail(context, done.failure());
    const auto pem = folder.read_certificate(name);
    const auto facts = pem ? gate::read_certificate(*pem) : result<gate::certificate_facts>(pem.failure());
    if (!facts) return fail(context, facts.failure());
    list.push_back(describe(folder, *facts));
    if (context.out.is_table()) tell_certificate(context, folder, *pem, false);
  }
  if (!context.out.is_table()) {
    context.out.print_value(list);
    return 0;
  }
  context.out.print_line(names.empty() ? "there is no certificate to renew"
                                       : "next: copy the new files over the old ones; nodes notice within seconds, "
                                         "clients at their next connection");
  return 0;
}

int tell_authority(const session& context, const pem_folder& folder, const std::string& cluster, bool is_finished,
                   const std::string& words) {
  if (context.out.is_table()) {
    context.out.print_line(words);
    return 0;
  }
  auto value = describe_authority(folder, cluster);
  value["is_finished"] = is_finished;
  context.out.print_value(value);
  return 0;
}

/// The second step. Not before every certificate of the folder is of the new authority: the others end to work with it.
int finish_authority(const session& context, const pem_folder& folder, const std::vector<std::string>& authorities,
                     const std::string& cluster) {
  if (authorities.size() < 2)
    return fail({errc::failed_precondition, "no change of the authority is under way", {}},
                "hivectl tls rotate --authority begins one");
  std::string left;
  for (const std::string& name : folder.names()) {
    if (!folder.problem_of(name, authorities.front()).empty()) left += " " + name;
  }
  if (!left.empty())
    return fail(
        {errc::failed_precondition, "these do not hold against the new authority, and would end to work:" + left, {}},
        "renew them with hivectl tls rotate" + left +
            " and copy the files; who is to lose its access needs no new one: move its files out of the folder");
  if (auto done = folder.replace_certificate(authority_name, authorities.front()); !done)
    return fail(context, done.failure());
  return tell_authority(context, folder, cluster, true,
                        "next: copy authority.crt everywhere again; certificates of the old authority end to work");
}

/// Until --finish both authorities are trusted, so that certificates can be exchanged one by one.
int rotate_authority(const session& context, const tls_arguments& told) {
  const pem_folder folder(told.folder);
  const auto old = folder.read(authority_name);
  if (!old) return fail(context, old.failure());
  const auto authorities = gate::split_certificates(old->certificate);
  const auto cluster = gate::cluster_of_authority(old->certificate);
  if (!cluster) return fail(context, cluster.failure());
  if (told.is_finish) return finish_authority(context, folder, authorities, *cluster);
  if (authorities.size() > 1)
    return fail({errc::failed_precondition, "the last change of the authority is not finished", {}},
                "hivectl tls rotate, copy the certificates, then hivectl tls rotate --authority --finish");
  auto made = gate::make_authority(*cluster, gate::valid_for_days(told.authority_days));
  if (!made) return fail(context, made.failure());
  made->certificate += old->certificate;
  if (auto done = folder.replace(authority_name, *made); !done) return fail(context, done.failure());
  return tell_authority(context, folder, *cluster, false,
                        "authority.crt now holds the new and the old authority. next:\n"
                        "  1. copy authority.crt to all nodes, workers and clients\n"
                        "  2. hivectl tls rotate, and copy the new certificates to all of them\n"
                        "  3. hivectl tls rotate --authority --finish, and copy authority.crt again");
}

/// "ok", or what is wrong with it.
std::string describe_standing(const pem_folder& folder, const std::string& name,
                              const std::vector<std::string>& authorities) {
  std::string whole;
  for (const auto& one : authorities) whole += one;
  std::string problem = folder.problem_of(name, whole);
  if (!problem.empty()) return problem;
  const bool is_of_old = authorities.size() > 1 && !folder.problem_of(name, authorities.front()).empty();
  return is_of_old ? "of the old authority" : "ok";
}

int show(const session& context, const tls_arguments& told) {
  const pem_folder folder(told.folder);
  const auto authority = folder.read_certificate(authority_name);
  if (!authority) return fail(context, authority.failure());
  const std::int64_t now_s = now_unix_ms() / 1'000;
  const auto authorities = gate::split_certificates(*authority);
  table rows{{"NAME", "ROLES", "HOSTS", "VALID UNTIL", "DAYS LEFT", "CHECK"}, {}};
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < authorities.size(); ++i) {
    const auto cluster = gate::cluster_of_authority(authorities[i]);
    if (!cluster) return fail(context, {cluster.failure().code, "authority.crt: " + cluster.failure().message, {}});
    const std::string standing = authorities.size() == 1 ? "ok" : i == 0 ? "new" : "old, trusted until --finish";
    rows.rows.push_back({authority_name, "authority of " + *cluster, "", "", "", standing});
    auto value = describe_authority(folder, *cluster);
    value["roles"] = authority_name;
    value["check"] = standing;
    if (i > 0) value.erase("key");  // it is of the new one
    list.push_back(std::move(value));
  }
  for (const std::string& name : folder.names()) {
    const auto pem = folder.read_certificate(name);
    const auto facts = pem ? gate::read_certificate(*pem) : result<gate::certificate_facts>(pem.failure());
    if (!facts) return fail(context, {facts.failure().code, name + ".crt: " + facts.failure().message, {}});
    const std::string standing = describe_standing(folder, name, authorities);
    auto value = describe(folder, *facts);
    value["check"] = standing;
    list.push_back(std::move(value));
    rows.rows.push_back({facts->name, gate::to_string(facts->roles), joined(facts->hosts),
                         date_of(facts->when.until_unix_s), std::to_string((facts->when.until_unix_s - now_s) / day_s),
                         standing});
  }
  if (context.out.is_table()) {
    context.out.print(rows);
  } else {
    context.out.print_value(list);
  }
  return 0;
}

}  // namespace

void add_tls_commands(CLI::App& app, session& context) {
  const auto told = std::make_shared<tls_arguments>();
  auto* tls =
      app.add_subcommand("tls", "Make certificates: a private authority, and nodes, workers and clients of it.");
  tls->require_subcommand(1);
  tls->footer(
      "Begin with:\n"
      "  hivectl tls init demo                                  an authority for the cluster \"demo\"\n"
      "  hivectl tls issue node n1 --host n1.example.org        for hived; clients connect to that name\n"
      "  hivectl tls issue worker w1                            for hive-worker\n"
      "  hivectl tls issue client me                            for hivectl and the SDK\n"
      "No command of this group talks to a node. docs/operations.md leads through it.");
  const auto add = [&](const std::string& name, const std::string& about,
                       int (*run)(const session&, const tls_arguments&)) {
    auto* command = tls->add_subcommand(name, about);
    command->add_option("--dir", told->folder, "Folder of the files")->capture_default_str()->type_name("DIR");
    command->callback(
        [&context, told, run] { context.action = [&context, told, run] { return run(context, *told); }; });
    return command;
  };
  const CLI::Range years(std::int64_t{1}, std::int64_t{36'500});
  auto* starting = add("init", "Make a private certificate authority for a cluster.", init);
  starting->add_option("CLUSTER", told->cluster, "Name of the cluster: letters, digits, '-', '_', '.'")->required();
  starting->add_option("--days", told->authority_days, "How long it is valid")->check(years)->capture_default_str();

  auto* issuing = add("issue", "Make a key and a certificate.", issue);
  issuing->add_option("ROLE", told->roles, "node, worker, client or operator; several with commas: client,worker")
      ->required();
  issuing->add_option("NAME", told->name, "Who holds it; also the name of the files")->required();
  issuing
      ->add_option(
          "--host", told->hosts,
          "Host name or address that clients connect to; may be repeated (for a node; default: this machine's name "
          "and its loopback addresses)")
      ->allow_extra_args(false);
  issuing->add_option("--days", told->days, "How long it is valid")->check(years)->capture_default_str();

  auto* rotating =
      add("rotate", "Renew certificates, each with a new key.", [](const session& from, const tls_arguments& how) {
        return how.is_authority || how.is_finish ? rotate_authority(from, how) : rotate(from, how);
      });
  rotating->add_option("NAME", told->names, "Whose; none for all of the folder");
  rotating->add_option("--days", told->days, "How long they are valid")->check(years)->capture_default_str();
  auto* authority = rotating->add_flag("--authority", told->is_authority, "Replace the authority, in two steps");
  rotating->add_flag("--finish", told->is_finish, "The second step: the old authority is trusted no more")
      ->needs(authority);

  add("show",
      "List the authority and the certificates of the folder, how long they are valid, and whether they fit together.",
      show);
}

}  // namespace hive::hivectl
