#include <catch2/catch.hpp>

#include "apps/plan_files/plan_files.hpp"

using namespace hive;

TEST_CASE("a graph becomes dot text with quoted names and state colours") {
  const std::vector<plan_files::graph_node> nodes = {{"a \"b\\", {}, v1::TASK_STATE_COMPLETED},
                                                     {"c", {"a \"b\\"}, v1::TASK_STATE_UNSPECIFIED}};
  CHECK(plan_files::to_dot("g", nodes) ==
        "digraph \"g\" {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white];\n"
        "  \"a \\\"b\\\\\" [fillcolor=\"#b7e1cd\"];\n  \"c\";\n  \"a \\\"b\\\\\" -> \"c\";\n}\n");
}

TEST_CASE("a graph becomes Mermaid text with numbered nodes") {
  const std::vector<plan_files::graph_node> nodes = {{"a \"#<", {}, v1::TASK_STATE_FAILED},
                                                     {"c", {"a \"#<"}, v1::TASK_STATE_UNSPECIFIED}};
  CHECK(plan_files::to_mermaid(nodes) ==
        "flowchart LR\n  s0[\"a #quot;#35;#lt;\"]\n  s1[\"c\"]\n  s0 --> s1\n  style s0 fill:#f4c7c3\n");
}
