#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "config/config.hpp"

namespace hive::config {

namespace {

constexpr std::size_t host_bytes_max = 253;  // of a DNS name

error refuse(const std::string& text, const std::string& field, const std::string& why) {
  return {errc::invalid_argument, field + " must be HOST:PORT, found \"" + text + "\": " + why, field};
}

bool is_host_character(char letter) {
  return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '.' || letter == '-' || letter == '_';
}

bool is_ipv6(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

bool is_digits_and_dots(const std::string& host) {
  return std::all_of(host.begin(), host.end(),
                     [](char letter) { return letter == '.' || (letter >= '0' && letter <= '9'); });
}

bool is_ipv4(const std::string& host) {
  std::array<unsigned char, sizeof(in_addr)> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1;
}

}  // namespace

result<endpoint> parse_endpoint(const std::string& text, const std::string& field) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return refuse(text, field, "the port is missing");
  const std::string port_text = text.substr(colon + 1);
  endpoint parsed{.host = text.substr(0, colon), .port = 0};

  if (parsed.host.size() >= 2 && parsed.host.front() == '[' && parsed.host.back() == ']') {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    if (!is_ipv6(parsed.host)) return refuse(text, field, "between the brackets must stand an IPv6 address");
  } else {
    if (parsed.host.empty()) return refuse(text, field, "the host is missing");
    if (parsed.host.find(':') != std::string::npos)
      return refuse(text, field, "an IPv6 address needs brackets, [::1]:7117");
    const bool is_name = std::all_of(parsed.host.begin(), parsed.host.end(), is_host_character);
    if (!is_name || parsed.host.size() > host_bytes_max)
      return refuse(text, field, "the host is not a name or an address");
    if (is_digits_and_dots(parsed.host) && !is_ipv4(parsed.host))
      return refuse(text, field, "the host is not an IPv4 address");
  }

  const char* const end = port_text.data() + port_text.size();
  const auto [stop, failure] = std::from_chars(port_text.data(), end, parsed.port);
  if (failure != std::errc{} || stop != end) return refuse(text, field, "the port must be a number from 0 to 65535");
  return parsed;
}

result<peer> parse_peer(const std::string& text, const std::string& field) {
  const std::size_t equals = text.find('=');
  peer parsed;
  const char* const end = text.data() + (equals == std::string::npos ? 0 : equals);
  const auto [stop, problem] = std::from_chars(text.data(), end, parsed.node_id);
  if (problem != std::errc{} || stop != end || parsed.node_id == 0) {
    return error{errc::invalid_argument,
                 field + " must be NODE_ID=HOST:PORT with a number from 1, found \"" + text + "\"", field};
  }
  auto address = parse_endpoint(text.substr(equals + 1), field);
  if (!address) return address.failure();
  if (address->port == 0)
    return error{errc::invalid_argument, field + " must name a port from 1 to 65535, found \"" + text + "\"", field};
  parsed.address = std::move(*address);
  return parsed;
}

std::string to_string(const endpoint& address) {
  const bool needs_brackets = address.host.find(':') != std::string::npos;
  const std::string host = needs_brackets ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port);
}

result<std::vector<endpoint>> parse_endpoints(const std::string& text, const std::string& field) {
  std::vector<endpoint> all;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    std::string one = text.substr(start, comma - start);
    start = comma + 1;
    const auto is_space = [](unsigned char letter) { return std::isspace(letter) != 0; };
    one.erase(one.begin(), std::find_if_not(one.begin(), one.end(), is_space));
    one.erase(std::find_if_not(one.rbegin(), one.rend(), is_space).base(), one.end());
    auto address = parse_endpoint(one, field);
    if (!address) return address.failure();
    if (address->port == 0)
      return error{errc::invalid_argument, field + " must name a port from 1 to 65535, found \"" + one + "\"", field};
    const auto is_same = [&](const endpoint& known) { return to_string(known) == to_string(*address); };
    if (std::none_of(all.begin(), all.end(), is_same)) all.push_back(std::move(*address));
  }
  return all;
}

std::string to_string(const std::vector<endpoint>& addresses) {
  std::string text;
  for (const auto& one : addresses) text += (text.empty() ? "" : ",") + to_string(one);
  return text;
}

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  if (is_ipv4(host)) return host.starts_with("127.");
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

}  // namespace hive::config
