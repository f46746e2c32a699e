#pragma once

#include <gtest/gtest.h>

namespace berth {

// Gives a test program a mount namespace of its own before any thread starts, so that its mounts go
// with the process, however it ends. Needs CAP_SYS_ADMIN. Each test program that mounts registers
// one:
//   const auto* const kNamespace = testing::AddGlobalTestEnvironment(new MountNamespace);
class MountNamespace final : public testing::Environment {
 public:
  void SetUp() override;
};

}  // namespace berth
