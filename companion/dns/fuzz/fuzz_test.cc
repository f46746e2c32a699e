// Drives one fuzz target with mutations of good messages, from a seed that a failure prints: for
// machines without libFuzzer. The target aborts when it finds something.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "companion/dns/rr_set.h"
#include "companion/dns/testing/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace berth::dns {
namespace {

constexpr int kRuns = 200'000;

std::vector<std::string> GoodMessages() {
  std::vector<std::string> messages = {""};
  for (const char* name :
       {"web.default.svc.cluster.local", "x.cluster.local", "cluster.local",
        "1.0.0.10.in-addr.arpa", "1.0.0.0.d.f.ip6.arpa", "www.example.com", "."}) {
    for (const uint16_t type : {type::kA, type::kSoa, type::kAny, type::kPtr, type::kAxfr}) {
      messages.push_back(MakeQuery(name, type));
      messages.push_back(MakeQuery(name, type, {.edns_udp_bytes = 4096, .dnssec_ok = true}));
    }
  }
  // An answer with compression: what upstream sends.
  messages.push_back(
      std::string("\0\0\x81\x80\0\1\0\2\0\0\0\0\1a\1b\0\0\1\0\1"
                  "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1c\xc0\x0e"
                  "\xc0\x1f\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1",
                  53));
  return messages;
}

std::string Mutated(std::string message, const std::vector<std::string>& others,
                    std::minstd_rand& random) {
  for (size_t edits = random() % 4; edits > 0; --edits) {
    const size_t at = message.empty() ? 0 : random() % message.size();
    switch (random() % 6) {
      case 0:
        if (!message.empty()) message[at] = static_cast<char>(random());
        break;
      case 1:
        // Where names are: a pointer, often to itself or forward.
        if (at + 1 < message.size()) {
          message[at] = static_cast<char>(0xc0);
          message[at + 1] = static_cast<char>(random() % message.size());
        }
        break;
      case 2:
        message.resize(at);
        break;
      case 3:
        message.insert(at, std::string(random() % 64, static_cast<char>(random())));
        break;
      case 4:
        message += others[random() % others.size()];
        break;
      case 5:
        if (!message.empty()) message[at] = static_cast<char>(message[at] ^ 1 << random() % 8);
        break;
    }
  }
  return message;
}

TEST(FuzzTest, MutationsOfGoodMessages) {
  const uint32_t seed = std::random_device()();
  // Also when the target aborts.
  std::fprintf(stderr, "seed %u\n", seed);
  std::minstd_rand random(seed);
  const std::vector<std::string> good = GoodMessages();
  for (int run = 0; run < kRuns; ++run) {
    const std::string input = Mutated(good[random() % good.size()], good, random);
    // A copy of its exact size, so that a sanitizer sees a read beyond it.
    const std::vector<uint8_t> exact(input.begin(), input.end());
    ASSERT_EQ(LLVMFuzzerTestOneInput(exact.data(), exact.size()), 0);
  }
}

}  // namespace
}  // namespace berth::dns
