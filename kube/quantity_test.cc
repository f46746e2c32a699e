#include "kube/quantity.h"

#include <gtest/gtest.h>

namespace berth::kube {
namespace {

TEST(QuantityTest, EveryNotationIsRead) {
  EXPECT_EQ(*ParseQuantity("1"), 1);
  EXPECT_EQ(*ParseQuantity("10Gi"), 10737418240);
  EXPECT_EQ(*ParseQuantity("1.5Gi"), 1610612736);
  EXPECT_EQ(*ParseQuantity("1.5G"), 1500000000);
  EXPECT_EQ(*ParseQuantity("2k"), 2000);
  EXPECT_EQ(*ParseQuantity("1e3"), 1000);
  EXPECT_EQ(*ParseQuantity("1E3"), 1000);
  EXPECT_EQ(*ParseQuantity("1E"), 1000000000000000000);
  EXPECT_EQ(*ParseQuantity("7Ei"), 8070450532247928832);
  EXPECT_EQ(*ParseQuantity("1500m"), 2);
  EXPECT_EQ(*ParseQuantity("1n"), 1);
  EXPECT_EQ(*ParseQuantity("0"), 0);
}

TEST(QuantityTest, AnythingElseIsRefused) {
  for (const char* text : {"", "Gi", "-1", "1 Gi", "1gi", "1.2.3", "9Ei", "1e", "1Kim", "0x10"}) {
    EXPECT_EQ(ParseQuantity(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(QuantityTest, BytesAreWrittenInTheLargestUnitThatFits) {
  EXPECT_EQ(FormatQuantity(0), "0");
  EXPECT_EQ(FormatQuantity(1), "1");
  EXPECT_EQ(FormatQuantity(1024), "1Ki");
  EXPECT_EQ(FormatQuantity(1536), "1536");
  EXPECT_EQ(FormatQuantity(1073741824), "1Gi");
  EXPECT_EQ(FormatQuantity(1000000000), "1000000000");
  EXPECT_EQ(FormatQuantity(int64_t{7} << 60), "7Ei");
}

}  // namespace
}  // namespace berth::kube
