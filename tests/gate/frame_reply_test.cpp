#include "gate/frame_reply.hpp"

#include <catch2/catch.hpp>

#include "tests/gate/frames.hpp"

using namespace hive::gate;
using namespace hive::gate::test;

TEST_CASE("a message that expects no answer gets none") {
  denied_message denied;
  denied.message_id = basp::normal_category;
  denied.source_actor = sender_id;
  CHECK(answer_denied(denied, {hive::errc::permission_denied, "no", {}}).empty());
  denied.message_id = some_request;
  denied.source_actor = 0;
  CHECK(answer_denied(denied, {hive::errc::permission_denied, "no", {}}).empty());
}

TEST_CASE("an inserted frame goes between two frames, however the stream is cut") {
  const bytes first = request("hive.v1.PingRequest", std::string(300, 'a'));
  const bytes second = heartbeat();
  const bytes extra = request("hive.v1.Extra", "x");
  const bytes stream = first + second;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    frame_splicer splicer;
    bytes out;
    const auto all = std::span<const std::uint8_t>(stream);
    splicer.pass(all.first(cut), out);
    splicer.insert(extra);
    splicer.pass(all.subspan(cut), out);
    splicer.pass({}, out);
    INFO("cut at " << cut);
    CHECK_FALSE(splicer.has_inserts());
    const bytes expected = cut == 0              ? extra + stream
                           : cut <= first.size() ? first + extra + second
                                                 : first + second + extra;
    CHECK(out == expected);
  }
}
