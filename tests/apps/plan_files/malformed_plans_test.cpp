#include <catch2/catch.hpp>

#include "apps/plan_files/plan_files.hpp"

using namespace hive;

namespace {

struct malformed_plan {
  std::string text;
  std::string message;
  std::string path;
};

/// One step `a` with more lines under it.
std::string with(const std::string& lines) { return "steps:\n- name: a\n  " + lines + "\n"; }

const std::vector<malformed_plan> malformed_plans = {
    {"", "p.yaml: the plan is empty", ""},
    {"# nothing\n", "p.yaml: the plan is empty", ""},
    {"- a\n", "p.yaml:1: must be a mapping, is a list", ""},
    {"text\n", "p.yaml:1: must be a mapping, is 'text'", ""},
    {"name: x\n", "p.yaml:1: steps: is missing", "steps"},
    {"name: x\nsteps:\n", "p.yaml:2: steps: must be a list, is empty", "steps"},
    {"steps: []\n", "p.yaml:1: steps: must not be empty", "steps"},
    {"steps: {a: 1}\n", "p.yaml:1: steps: must be a list, is a mapping", "steps"},
    {"step: []\n", "p.yaml:1: step: unknown key; did you mean 'steps'?", "step"},
    {"zzzzzz: 1\n", "p.yaml:1: zzzzzz: unknown key; known here: name, failure_policy, deadline, defaults, steps",
     "zzzzzz"},
    {"name: a\nname: b\nsteps: []\n", "p.yaml:2: name: is given twice", "name"},
    {"name: [a]\nsteps: []\n", "p.yaml:1: name: must be text, is a list", "name"},
    {"name: ''\nsteps: []\n", "p.yaml:1: name: must not be empty", "name"},
    {"[a]: b\n", "p.yaml:1: a key must be text, is a list", ""},
    {"failure_policy: stop\nsteps: []\n", "p.yaml:1: failure_policy: must be fail_fast or continue, is 'stop'",
     "failure_policy"},
    {"deadline: 5\nsteps: []\n", "p.yaml:1: deadline: must be a duration such as 500ms, 2s, 1.5s, 5m, 2h or 7d, is '5'",
     "deadline"},
    {"deadline: [1s]\nsteps: []\n", "p.yaml:1: deadline: must be a duration such as 500ms, 2s or 5m, is a list",
     "deadline"},
    {"steps:\n- 5\n", "p.yaml:2: steps[0]: must be a mapping, is '5'", "steps[0]"},
    {"steps:\n- run: x\n", "p.yaml:2: steps[0].name: is missing", "steps[0].name"},
    {"steps:\n- name: ''\n  run: x\n", "p.yaml:2: steps[0].name: must not be empty", "steps[0].name"},
    {"steps:\n- name: " + std::string(129, 'n') + "\n  run: x\n",
     "p.yaml:2: steps[0].name: has 129 bytes; at most 128 are allowed", "steps[0].name"},
    {"steps:\n- name: a\n", "p.yaml:2: steps[0]: needs a type, or one of run, argv, script", "steps[0]"},
    {with("need: b"), "p.yaml:3: steps[0].need: unknown key; did you mean 'needs'?", "steps[0].need"},
    {with("run: x\n  argv: [x]"),
     "p.yaml:4: steps[0].argv: stands beside 'run'; only one of run, argv, script is allowed", "steps[0].argv"},
    {with("run: x\n  payload: {}"),
     "p.yaml:4: steps[0].payload: stands beside run, argv or script, which make the payload themselves",
     "steps[0].payload"},
    {with("type: other\n  run: x"), "p.yaml:3: steps[0].type: is 'other', but run, argv and script need type process",
     "steps[0].type"},
    {with("type: other\n  env: {A: b}"), "p.yaml:4: steps[0].env: needs one of run, argv, script", "steps[0].env"},
    {with("run: x\n  interpreter: [sh]"), "p.yaml:4: steps[0].interpreter: needs 'script'", "steps[0].interpreter"},
    {with("run: ''"), "p.yaml:3: steps[0].run: must not be empty", "steps[0].run"},
    {with("run: [a]"), "p.yaml:3: steps[0].run: must be text, is a list", "steps[0].run"},
    {with("argv: echo"), "p.yaml:3: steps[0].argv: must be a list, is 'echo'", "steps[0].argv"},
    {with("argv: []"), "p.yaml:3: steps[0].argv: must not be empty", "steps[0].argv"},
    {with("argv: ['']"), "p.yaml:3: steps[0].argv: the first item is the program and must not be empty",
     "steps[0].argv"},
    {with("argv: [a, [b]]"), "p.yaml:3: steps[0].argv[1]: must be text, is a list", "steps[0].argv[1]"},
    {with("run: x\n  env: [A]"), "p.yaml:4: steps[0].env: must be a mapping, is a list", "steps[0].env"},
    {with("run: x\n  env: {A=B: c}"), "p.yaml:4: steps[0].env.A=B: is not a name for a variable", "steps[0].env.A=B"},
    {with("run: x\n  env: {A: b, A: c}"), "p.yaml:4: steps[0].env.A: is given twice", "steps[0].env.A"},
    {with("run: x\n  time_limit: 0s"),
     "p.yaml:4: steps[0].time_limit: must be longer than 0; leave it out for no limit", "steps[0].time_limit"},
    {with("run: x\n  output_bytes_max: -1"),
     "p.yaml:4: steps[0].output_bytes_max: must be a whole number from 0 to 716800, is '-1'",
     "steps[0].output_bytes_max"},
    {with("run: x\n  retry_exit_codes: [256]"),
     "p.yaml:4: steps[0].retry_exit_codes[0]: must be a whole number from 1 to 255, is '256'",
     "steps[0].retry_exit_codes[0]"},
    {with("run: x\n  priority: high"),
     "p.yaml:4: steps[0].priority: must be a whole number from -2147483648 to 2147483647, is 'high'",
     "steps[0].priority"},
    {with("run: x\n  priority: 2147483648"),
     "p.yaml:4: steps[0].priority: must be a whole number from -2147483648 to 2147483647, is '2147483648'",
     "steps[0].priority"},
    {with("run: x\n  priority: 1.5"),
     "p.yaml:4: steps[0].priority: must be a whole number from -2147483648 to 2147483647, is '1.5'",
     "steps[0].priority"},
    {with("run: x\n  requires: {gpu: 1}"), "p.yaml:4: steps[0].requires: must be a list, is a mapping",
     "steps[0].requires"},
    {with("run: x\n  requires: [a, '']"), "p.yaml:4: steps[0].requires[1]: must not be empty", "steps[0].requires[1]"},
    {with("run: x\n  labels: [a]"), "p.yaml:4: steps[0].labels: must be a mapping, is a list", "steps[0].labels"},
    {with("run: x\n  labels: {'': b}"), "p.yaml:4: steps[0].labels.: a label's key has 1 to 128 bytes",
     "steps[0].labels."},
    {with("run: x\n  labels: {a: [b]}"), "p.yaml:4: steps[0].labels.a: must be text, is a list", "steps[0].labels.a"},
    {with("run: x\n  retry: 3"), "p.yaml:4: steps[0].retry: must be a mapping, is '3'", "steps[0].retry"},
    {with("run: x\n  retry: {attempts: 3}"),
     "p.yaml:4: steps[0].retry.attempts: unknown key; did you mean 'max_attempts'?", "steps[0].retry.attempts"},
    {with("run: x\n  retry: {max_attempt: 3}"),
     "p.yaml:4: steps[0].retry.max_attempt: unknown key; did you mean 'max_attempts'?", "steps[0].retry.max_attempt"},
    {with("run: x\n  retry: {max_attempts: 0}"),
     "p.yaml:4: steps[0].retry.max_attempts: must be a whole number from 1 to 1000, is '0'",
     "steps[0].retry.max_attempts"},
    {with("run: x\n  retry: {backoff: fast}"),
     "p.yaml:4: steps[0].retry.backoff: must be a duration such as 500ms, 2s, 1.5s, 5m, 2h or 7d, is 'fast'",
     "steps[0].retry.backoff"},
    {with("run: x\n  retry: {jitter: 2}"), "p.yaml:4: steps[0].retry.jitter: must be a number from 0 to 1, is '2'",
     "steps[0].retry.jitter"},
    {with("run: x\n  retry: {multiplier: .nan}"),
     "p.yaml:4: steps[0].retry.multiplier: must be a number from 1 to 100, is '.nan'", "steps[0].retry.multiplier"},
    {with("run: x\n  timeouts: {start: 1s}"),
     "p.yaml:4: steps[0].timeouts.start: unknown key; known here: queue, run, total", "steps[0].timeouts.start"},
    {with("run: x\n  timeouts: {run: -1s}"),
     "p.yaml:4: steps[0].timeouts.run: must be a duration such as 500ms, 2s, 1.5s, 5m, 2h or 7d, is '-1s'",
     "steps[0].timeouts.run"},
    {with("run: x\n  title: [x]"), "p.yaml:4: steps[0].title: must be text, is a list", "steps[0].title"},
    {with("run: x\n  needs: {b: 1}"), "p.yaml:4: steps[0].needs: must be a list, is a mapping", "steps[0].needs"},
    {with("run: x\n  needs: [b]"), "p.yaml:4: steps[0].needs[0]: there is no step 'b'", "steps[0].needs[0]"},
    {with("run: x\n  needs: [a]"), "p.yaml:4: steps[0].needs[0]: a step cannot need itself", "steps[0].needs[0]"},
    {"steps:\n- {name: fetch, run: x}\n- name: b\n  run: x\n  needs:\n  - fetsh\n",
     "p.yaml:6: steps[1].needs[0]: there is no step 'fetsh'; did you mean 'fetch'?", "steps[1].needs[0]"},
    {"steps:\n- {name: a, run: x}\n- {name: b, run: x, needs: z}\n",
     "p.yaml:3: steps[1].needs: there is no step 'z'; did you mean 'a'?", "steps[1].needs"},
    {"steps:\n- {name: a, run: x}\n- {name: b, run: x, needs: [a, a]}\n",
     "p.yaml:3: steps[1].needs[1]: 'a' is needed twice", "steps[1].needs[1]"},
    {"steps:\n- {name: a, run: x}\n- {name: a, run: x}\n",
     "p.yaml:3: steps[1]: the name 'a' is already that of steps[0]", "steps[1]"},
    {"steps:\n- {name: a, run: x, needs: [b]}\n- {name: b, run: x, needs: [c]}\n- {name: c, run: x, needs: [b]}\n",
     "p.yaml:3: steps[1]: the needs form a cycle: b -> c -> b", "steps[1]"},
    {"defaults: [a]\nsteps: []\n", "p.yaml:1: defaults: must be a mapping, is a list", "defaults"},
    {"defaults: {name: a}\nsteps: []\n",
     "p.yaml:1: defaults.name: unknown key; known here: type, priority, requires, labels, worker_labels, retry, "
     "timeouts, interpreter, env, cwd, time_limit, output_bytes_max, retry_exit_codes",
     "defaults.name"},
    {with("type: t\n  payload: {a: 99999999999999999999999}"),
     "p.yaml:4: steps[0].payload.a: the number 99999999999999999999999 is too large; quote it to pass it as text",
     "steps[0].payload.a"},
    {with("type: t\n  payload: {a: 1e999}"),
     "p.yaml:4: steps[0].payload.a: the number 1e999 is out of range; quote it to pass it as text",
     "steps[0].payload.a"},
    {with("type: t\n  payload: {a: !!binary aGk=}"),
     "p.yaml:4: steps[0].payload.a: the tag tag:yaml.org,2002:binary is not supported; quote the value to pass it as "
     "text",
     "steps[0].payload.a"},
    {with("type: t\n  payload: {a: 1, a: 2}"), "p.yaml:4: steps[0].payload.a: is given twice", "steps[0].payload.a"},
    {"steps: [\n", "p.yaml:2: end of sequence flow not found", ""},
    {"steps: [\"a\n", "p.yaml:2: end of sequence flow not found", ""},
    {"a: *b\n", "p.yaml:1: the referenced anchor is not defined", ""},
    {"steps:\n\t- a\n", "p.yaml:2: illegal block entry", ""},
    {"steps: []\n---\nsteps: []\n", "p.yaml:3: a file holds one plan; a second document starts here", ""},
    {"{\n \"steps\": [\n  {\"name\": \"a\",\n   \"rum\": \"x\"}]}",
     "p.yaml:4: steps[0].rum: unknown key; did you mean 'run'?", "steps[0].rum"},
};

}  // namespace

TEST_CASE("every malformed plan is refused with its own message, line and path") {
  for (const malformed_plan& plan : malformed_plans) {
    INFO(plan.text);
    const auto document = plan_files::read_plan(plan.text, "p.yaml");
    if (document) FAIL("was accepted");
    CHECK(document.failure().code == errc::invalid_argument);
    CHECK(document.failure().message == plan.message);
    CHECK(document.failure().field == plan.path);
  }
}

TEST_CASE("aliases that multiply are refused before they fill memory") {
  std::string text = "steps:\n- name: a\n  type: t\n  payload:\n    l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*l" + std::to_string(i - 1);
    text += "    l" + std::to_string(i) + ": &l" + std::to_string(i) + " [" + below;
    for (int k = 1; k < 10; ++k) text += ", " + below;
    text += "]\n";
  }
  const auto document = plan_files::read_plan(text, "p.yaml");
  REQUIRE_FALSE(document.has_value());
  CHECK(document.failure().message.find("has more than 100000 values (with aliases written out)") != std::string::npos);
}

TEST_CASE("an alias that contains itself is refused") {
  const auto document = plan_files::read_plan("steps:\n- {name: a, type: t, payload: &p [*p]}\n", "p.yaml");
  REQUIRE_FALSE(document.has_value());
  CHECK(document.failure().message.find("is nested deeper than 64 levels") != std::string::npos);
}

TEST_CASE("deep nesting is refused, not followed") {
  const std::string text = "steps:\n- name: a\n  type: t\n  payload: " + std::string(100'000, '[') + "\n";
  const auto document = plan_files::read_plan(text, "p.yaml");
  REQUIRE_FALSE(document.has_value());
  CHECK(document.failure().code == errc::invalid_argument);
}
