#include <algorithm>
#include <iostream>
#include <map>

#include "apps/hivectl/session.hpp"

namespace hive::hivectl {
namespace {

/// What may follow a command ("", "task", "task create", ...), from the parser itself.
struct command_words {
  std::string next;                           // inner commands, or the choices of its first argument
  std::string options;                        // its own
  std::map<std::string, std::string> values;  // by option: the choices, empty for any text
  bool takes_file = false;
};

constexpr const char* task_states = "pending scheduled blocked queued leased running completed failed canceled skipped";
constexpr const char* plan_states = "running paused failing canceling completed failed canceled";

/// "TEXT:{dot,mermaid}" is the type of an option with choices: "dot mermaid".
std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string choices = type.substr(begin + 1, end - begin - 1);
  std::replace(choices.begin(), choices.end(), ',', ' ');
  return choices;
}

void collect(const CLI::App& app, const std::string& path, std::map<std::string, command_words>& commands) {
  command_words& own = commands[path];
  for (const CLI::App* inner : app.get_subcommands({})) {
    own.next += inner->get_name() + " ";
    collect(*inner, path.empty() ? inner->get_name() : path + " " + inner->get_name(), commands);
  }
  for (const CLI::Option* option : app.get_options()) {
    std::vector<std::string> names;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    if (names.empty()) own.next += choices_of(*option);
    for (const std::string& name : names) {
      own.options += name + " ";
      if (option->get_items_expected_max() > 0) own.values[name] = choices_of(*option);
    }
  }
  own.takes_file = path == "plan submit" || path == "plan graph" || path == "backup" || path == "restore";
  if (path == "task list") own.values["--state"] = task_states;
  if (path == "plan list") own.values["--state"] = plan_states;
}

/// A case of the shell's: what follows an option that takes a value.
std::string value_case(const std::string& path_pattern, const std::map<std::string, std::string>& values) {
  std::string lines;
  for (const auto& [option, choices] : values) {
    lines += "    " + path_pattern + "\":" + option + "\") COMPREPLY=($(compgen -W \"" + choices +
             "\" -- \"$current\")); return ;;\n";
  }
  return lines;
}

std::string bash_script(const CLI::App& root) {
  std::map<std::string, command_words> commands;
  collect(root, "", commands);
  std::string script =
      "# bash completion for hivectl:  source <(hivectl completion bash)\n"
      "_hivectl() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD - 1]}\" path=\"\" word i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    [ \"$word\" != -- ] || return  # what follows is a program's\n"
      "    case \"${path:+$path }$word\" in\n";
  std::string paths;
  for (const auto& [path, own] : commands) {
    if (!path.empty()) paths += (paths.empty() ? "" : "|") + ("\"" + path + "\"");
  }
  script += "      " + paths + ") path=\"${path:+$path }$word\" ;;\n    esac\n  done\n";
  script += "  case \"$path:$previous\" in\n";
  for (const auto& [path, own] : commands) {
    if (!path.empty()) script += value_case("\"" + path + "\"", own.values);
  }
  script += value_case("*", commands[""].values);
  script += "  esac\n  local next=\"\" options=\"\" files=\"\"\n  case \"$path\" in\n";
  for (const auto& [path, own] : commands) {
    script += "    \"" + path + "\") next=\"" + own.next + "\" options=\"" + own.options + "\"" +
              (own.takes_file ? " files=yes" : "") + " ;;\n";
  }
  script +=
      "  esac\n"
      "  [ -z \"$path\" ] || options=\"$options--endpoint --timeout --linearizable --output -o \"\n"
      "  case \"$current\" in\n"
      "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$current\" | sort -u)) ;;\n"
      "    *) COMPREPLY=($(compgen -W \"$next\" -- \"$current\"))\n"
      "       [ -z \"$files\" ] || COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n"
      "  esac\n"
      "}\n"
      "complete -o filenames -F _hivectl hivectl\n";
  return script;
}

}  // namespace

void add_completion_command(CLI::App& app, session& context) {
  auto* command = app.add_subcommand("completion", "Print a completion script for your shell.");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Use:\n  source <(hivectl completion bash)\n  source <(hivectl completion zsh)");
  command->callback([&context, &app, shell] {
    context.action = [&app, shell] {
      if (*shell == "zsh")
        std::cout << "#compdef hivectl\nautoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && "
                     "bashcompinit\n";
      std::cout << bash_script(app) << std::flush;
      return 0;
    };
  });
}

}  // namespace hive::hivectl
