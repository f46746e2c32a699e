#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "companion/dns/query.h"
#include "companion/dns/rr_set.h"

namespace berth::dns {

// Queries and answers for tests, by ldns and not by the code under test.

struct QueryOptions {
  uint16_t id = 4711;
  bool recursion_desired = true;
  uint16_t edns_udp_bytes = 0;  // 0: no EDNS
  bool dnssec_ok = false;
};
std::string MakeQuery(const std::string& name, uint16_t type, const QueryOptions& options = {});

// An answer as ldns reads it. Records are text as in a zone file, with single spaces:
// "web.default.svc.cluster.local. 5 IN A 10.0.0.1".
struct ParsedAnswer {
  bool valid = false;  // ldns can read it
  uint16_t id = 0;
  int rcode = -1;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_available = false;
  bool edns = false;
  std::string question;
  std::vector<std::string> answers;  // sorted
  std::vector<std::string> authorities;
};
ParsedAnswer ParseAnswer(std::string_view message);

// Sends `query` to 127.0.0.1:`port` and waits for the answer, at most `timeout_ms`; empty when none
// comes.
std::string AskUdp(uint16_t port, const std::string& query, int timeout_ms = 5000);
std::string AskTcp(uint16_t port, const std::string& query, int timeout_ms = 5000);

}  // namespace berth::dns
