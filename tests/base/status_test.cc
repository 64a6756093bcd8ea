// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/payload.h"

namespace kvorum {
namespace {

TEST(Status, OkIsTheDefault) {
  EXPECT_TRUE(Status().ok());
  const Status status(StatusCode::kNoSpace, "the device is full");
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kNoSpace);
  EXPECT_EQ(status.message(), "the device is full");
}

TEST(Result, HasAValueOrSaysWhyNot) {
  Result<std::unique_ptr<int>> good(std::make_unique<int>(7));
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(good.status().ok());
  EXPECT_EQ(*std::move(good).value(), 7);
  const Result<int> bad(Status(StatusCode::kCorrupt, "bytes"));
  EXPECT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().code(), StatusCode::kCorrupt);
}

TEST(ResultDeathTest, AValueThatIsNotThereEndsTheProcess) {
  const Result<int> bad(Status(StatusCode::kIo, "no"));
  EXPECT_DEATH(static_cast<void>(bad.value()), "check failed");
  EXPECT_DEATH(Result<int>{Status::Ok()}, "check failed");
}

TEST(Payload, CopiesShareTheBytes) {
  const Payload empty;
  EXPECT_EQ(empty.size(), 0U);
  EXPECT_EQ(empty.view(), "");
  const Payload one(std::string("bytes"));
  const Payload two = one;
  EXPECT_EQ(one.view().data(), two.view().data());
  EXPECT_EQ(one, Payload(std::string("bytes")));
  EXPECT_FALSE(one == empty);
}

}  // namespace
}  // namespace kvorum
