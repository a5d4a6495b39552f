#include <iostream>
#include <map>

#include "apps/hivectl/session.hpp"

namespace hive::hivectl {
namespace {

/// Every command ("", "task", "task create", ...) with the words that may follow it, from the parser itself.
void collect(const CLI::App& app, const std::string& path, std::map<std::string, std::string>& words) {
  std::string& list = words[path];
  for (const CLI::App* command : app.get_subcommands({})) {
    list += command->get_name() + " ";
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), words);
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) list += "--" + name + " ";
    for (const std::string& name : option->get_snames()) list += "-" + name + " ";
  }
}

std::string bash_script(const CLI::App& root) {
  std::map<std::string, std::string> words;
  collect(root, "", words);
  std::string script =
      "# bash completion for hivectl:  source <(hivectl completion bash)\n"
      "_hivectl() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" path=\"\" word i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    case \"$path $word\" in\n";
  std::string paths;
  for (const auto& [path, list] : words) {
    if (!path.empty()) paths += (paths.empty() ? "" : "|") + ("\" " + path + "\"");
  }
  // "path word" begins with a blank while the path is empty.
  script += "      " + paths + ") path=\"$path $word\"; path=\"${path# }\"; path=\" $path\" ;;\n    esac\n  done\n";
  script += "  path=\"${path# }\"\n  local words=\"\"\n  case \"$path\" in\n";
  for (const auto& [path, list] : words) script += "    \"" + path + "\") words=\"" + list + "\" ;;\n";
  script +=
      "  esac\n"
      "  [ -z \"$path\" ] || words=\"$words" +
      words[""].substr(words[""].find("-")) +
      "\"\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  case \"$current\" in -*) ;; *) [ \"$path\" = \"plan submit\" ] && COMPREPLY+=($(compgen -f -- \"$current\")) "
      ";; esac\n"
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
