#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace berth {
namespace {

TEST(ErrnoError, NamesOperationAndCauseAndKeepsErrno) {
  const Status status = ErrnoError(-ENOENT, "open image \"a\"");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(status.message()), "open image \"a\": No such file or directory");
  EXPECT_EQ(ErrnoOf(status), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::NotFoundError("x")), 0);
}

TEST(ErrnoError, AFencedClientIsToldAsSuchAndMayTryAgain) {
  const Status status = ErrnoError(-ESHUTDOWN, "write");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(std::string(status.message()).find("blocklisted"), std::string::npos);
  EXPECT_EQ(ErrnoError(EROFS, "write").code(), absl::StatusCode::kUnavailable);
}

TEST(Annotate, KeepsCodeAndErrno) {
  const Status status = Annotate(ErrnoError(EBUSY, "move"), "lab/rbd/a");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::string(status.message()).find("lab/rbd/a: move"), 0U);
  EXPECT_EQ(ErrnoOf(status), EBUSY);
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

StatusOr<int> Half(int number) {
  if (number % 2 != 0) return absl::InvalidArgumentError("odd");
  return number / 2;
}

StatusOr<int> Quarter(int number) {
  BERTH_ASSIGN_OR_RETURN(const int half, Half(number));
  BERTH_RETURN_IF_ERROR(Half(half).status());
  return Half(half);
}

TEST(Macros, ReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_FALSE(Quarter(6).ok());
  EXPECT_FALSE(Quarter(7).ok());
}

TEST(Outcome, IsUnknownExactlyForCodesThatCsiSaysToRetry) {
  EXPECT_TRUE(OutcomeIsUnknown(absl::StatusCode::kDeadlineExceeded));
  EXPECT_TRUE(OutcomeIsUnknown(absl::StatusCode::kAborted));
  EXPECT_FALSE(OutcomeIsUnknown(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(OutcomeIsUnknown(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace berth
