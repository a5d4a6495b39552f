#include "metrics/gzip.hpp"

#include <zlib.h>

#include <catch2/catch.hpp>

namespace hive::metrics {
namespace {

std::string unpack(std::string packed) {
  std::string text(1U << 20U, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return "no memory";
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  const int status = inflate(&stream, Z_FINISH);
  text.resize(status == Z_STREAM_END ? stream.total_out : 0);
  inflateEnd(&stream);
  return text;
}

}  // namespace

TEST_CASE("gzip packs what can be unpacked again, and makes metrics smaller") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "hive_tasks{type=\"" + std::to_string(i * 7919) + "\"} 1\n";
  const auto packed = gzip(text);
  CHECK(packed.size() < text.size() / 3);
  CHECK(unpack(packed) == text);
  CHECK(unpack(gzip("x")) == "x");
}

TEST_CASE("gzip packs an empty text and bytes without a pattern") {
  CHECK_FALSE(gzip("").empty());
  std::string noise;
  std::uint32_t state = 1;
  for (int i = 0; i < 100'000; ++i) noise += static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24U);
  CHECK(unpack(gzip(noise)) == noise);
}

}  // namespace hive::metrics
