#include <algorithm>
#include <string>

#include "config/config.hpp"
#include "config/settings_table.hpp"

// Texts that are generated from the table: --print-config, the sample file, docs/configuration.md.
namespace hive::config {

namespace {

bool is_integer(const setting& entry) { return kind_name(entry) == "an integer"; }

std::string allowed_values(const setting& entry) {
  if (!is_integer(entry)) return entry.allowed.empty() ? kind_name(entry) : entry.allowed;
  const std::string unit = unit_name(entry);
  return std::to_string(entry.min) + " to " + std::to_string(entry.max) + (unit.empty() ? "" : " " + unit);
}

/// Lines of at most 110 columns, each with "# " in front.
std::string as_comment(const std::string& text) {
  constexpr std::size_t columns_max = 110;
  std::string lines;
  std::string line = "#";
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (line.size() + 1 + word.size() > columns_max) {
      lines += line + "\n";
      line = "#";
    }
    line += " " + word;
    begin = end + 1;
  }
  return lines + line + "\n";
}

std::string section_title(const std::string& section) {
  if (section == "node") return "The node itself.";
  if (section == "tls")
    return "TLS of node.listen: off until the three files are named. docs/operations.md makes them in minutes.";
  if (section == "log") return "The node's log.";
  if (section == "storage") return "The database.";
  if (section == "ledger") return "The single writer: how commands are gathered into commits.";
  if (section == "tasks") return "Limits and defaults of tasks.";
  if (section == "plans") return "Limits of plans.";
  if (section == "workers") return "Worker sessions.";
  if (section == "events") return "The event log and its subscribers.";
  if (section == "cluster")
    return "The cluster that the node is a member of: none until it has a name. docs/operations.md leads through it.";
  return "Programs that talk to a node: hivectl, hive-worker and everything built on the client library.";
}

std::string sample_of(const std::vector<setting>& settings) {
  std::string text;
  std::string section;
  for (const setting& entry : settings) {
    if (entry.section != section) {
      section = entry.section;
      text += "\n" + as_comment(section_title(section)) + "[" + section + "]\n";
    }
    text += "\n" + as_comment(entry.help + " (" + allowed_values(entry) + ")");
    text += "# " + entry.name + " = " + toml_value(entry) + "\n";
  }
  return text;
}

std::string in_table(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    if (letter == '|') escaped += '\\';
    escaped += letter;
  }
  return escaped;
}

std::string markdown_of(const std::vector<setting>& settings) {
  std::string text;
  std::string section;
  for (const setting& entry : settings) {
    if (entry.section != section) {
      section = entry.section;
      text += "\n## [" + section + "]\n\n" + section_title(section) + "\n\n";
      text += "| setting | default | allowed | what it does |\n|---|---|---|---|\n";
    }
    text += "| `" + entry.name + "` | `" + in_table(toml_value(entry)) + "` | " + in_table(allowed_values(entry)) +
            " | " + in_table(entry.help) +
            (entry.short_variable.empty() ? "" : " Also `" + entry.short_variable + "`.") + " |\n";
  }
  return text;
}

}  // namespace

std::string print_node_config(const node_config& config) {
  node_config copy = config;  // the table points into what it describes, and this one may be const
  std::string text;
  std::string section;
  for (const setting& entry : settings_of(copy)) {
    if (entry.section != section) {
      text += (section.empty() ? "[" : "\n[") + entry.section + "]\n";
      section = entry.section;
    }
    text += entry.name + " = " + toml_value(entry) + "\n";
  }
  return text;
}

std::string sample_node_config() {
  node_config node;
  client_config client;
  return "# Settings of hive, each with its default. Remove the \"# \" in front of a setting to change it.\n"
         "# The environment (HIVE_<SECTION>_<NAME>, such as HIVE_NODE_DATA_DIR) and the command line win over this "
         "file.\n" +
         sample_of(settings_of(node)) + sample_of(settings_of(client));
}

std::string configuration_reference() {
  node_config node;
  client_config client;
  return "# Configuration\n\n"
         "<!-- Generated from config/settings_table.cpp; a test compares. HIVE_UPDATE_GENERATED=1 with that test "
         "rewrites it. -->\n\n"
         "`hived` and the clients read one TOML file; [deploy/hive.toml](../deploy/hive.toml) is a sample with every\n"
         "setting. A value is looked for in this order, and the last one found wins:\n\n"
         "1. the default below,\n"
         "2. the file given with `--config`,\n"
         "3. the environment: `HIVE_<SECTION>_<NAME>`, for example `HIVE_NODE_DATA_DIR`; lists are separated by "
         "commas,\n"
         "4. the command line.\n\n"
         "`hived --print-config` prints the configuration in force. A section or setting that does not exist, a value "
         "of\n"
         "the wrong type and a value out of range are refused with file, line and, where there is one, the nearest "
         "valid\n"
         "name. `hived` skips `[client]`, and clients skip everything else.\n" +
         markdown_of(settings_of(node)) + markdown_of(settings_of(client));
}

}  // namespace hive::config
