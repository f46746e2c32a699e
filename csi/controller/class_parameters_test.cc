#include "csi/controller/class_parameters.h"

#include <gtest/gtest.h>

#include "csi/controller/capacity.h"

namespace berth {
namespace {

using absl::StatusCode;

void ExpectRefused(const std::map<std::string, std::string>& parameters, const std::string& part) {
  const Status status = ParseClassParameters(parameters).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status;
  EXPECT_NE(std::string(status.message()).find(part), std::string::npos) << status;
}

TEST(ClassParameters, PoolIsEnough) {
  const StatusOr<ClassParameters> parsed = ParseClassParameters({{"pool", "rbd"}});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->pool, "rbd");
  EXPECT_EQ(parsed->cluster, "");
}

TEST(ClassParameters, OwnerNamesAreKeptAndDoNotCount) {
  const StatusOr<ClassParameters> parsed =
      ParseClassParameters({{"pool", "rbd"}, {"csi.storage.k8s.io/pvc/name", "www-web-0"}});
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->owner.at("pvc/name"), "www-web-0");
  EXPECT_EQ(parsed->InWords(), ParseClassParameters({{"pool", "rbd"}})->InWords());
}

TEST(ClassParameters, Retention) {
  EXPECT_EQ(ParseClassParameters({{"pool", "p"}, {"trashRetention", "90s"}})->trash_retention_s,
            90);
  EXPECT_EQ(ParseClassParameters({{"pool", "p"}, {"trashRetention", "7d"}})->trash_retention_s,
            7 * 86400);
  for (const char* value : {"", "24", "h", "-1h", "1w", "9999999999999d"}) {
    ExpectRefused({{"pool", "p"}, {"trashRetention", value}}, "trashRetention");
  }
}

TEST(ClassParameters, EachMistakeIsNamed) {
  ExpectRefused({}, "pool is missing");
  ExpectRefused({{"pool", ""}}, "pool");
  ExpectRefused({{"pool", "a/b"}}, "a/b");
  ExpectRefused({{"pool", "p"}, {"imageFeatures", "layering"}}, "imageFeatures");
  ExpectRefused({{"pool", "p"}, {"cluster", "No Such"}}, "No Such");
}

TEST(Capacity, RoundsUpToWholeUnitsAndTheMinimum) {
  EXPECT_EQ(*ChooseVolumeBytes(false, 0, 0), kDefaultVolumeBytes);
  EXPECT_EQ(*ChooseVolumeBytes(true, 1, 0), kMinVolumeBytes);
  EXPECT_EQ(*ChooseVolumeBytes(true, (1 << 30) + 1, 0), (1 << 30) + kVolumeUnitBytes);
  EXPECT_EQ(*ChooseVolumeBytes(true, 1 << 30, 1 << 30), 1 << 30);
  EXPECT_EQ(*ChooseVolumeBytes(true, 0, 20 << 20), 20 << 20);
}

TEST(Capacity, RefusesWhatCannotBe) {
  EXPECT_EQ(ChooseVolumeBytes(true, 0, 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ChooseVolumeBytes(true, -1, 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ChooseVolumeBytes(true, INT64_MAX, 0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(ChooseVolumeBytes(true, kMaxVolumeBytes + 1, 0).status().code(),
            StatusCode::kOutOfRange);
  EXPECT_EQ(ChooseVolumeBytes(true, 2 << 20, 1 << 20).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(ChooseVolumeBytes(true, 1, 1 << 20).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(ChooseVolumeBytes(true, (32 << 20) + 1, (32 << 20) + 2).status().code(),
            StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace berth
