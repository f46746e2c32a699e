#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "rbd/omap.h"

namespace berth {

// What every OmapStore must keep; called with an empty store by the test of each implementation.
inline void CheckOmapContract(OmapStore& store) {
  const std::string object = "contract";
  ASSERT_TRUE(store.Get(object, "k").ok());
  EXPECT_EQ(*store.Get(object, "k"), std::nullopt) << "an absent object has no keys";
  EXPECT_TRUE(store.List(object, "", "", 10)->empty());

  EXPECT_EQ(store.Update(object, {{"k", "x", "y"}}).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(*store.Get(object, "k"), std::nullopt);
  ASSERT_TRUE(store.Update(object, {{"k", std::nullopt, "1"}}).ok());
  EXPECT_EQ(store.Update(object, {{"k", std::nullopt, "2"}}).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(*store.Get(object, "k"), "1");

  // All or nothing.
  EXPECT_EQ(store.Update(object, {{"k", "1", "3"}, {"other", "absent", "z"}}).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(*store.Get(object, "k"), "1");
  ASSERT_TRUE(store.Update(object, {{"k", "1", std::nullopt}, {"moved", std::nullopt, "1"}}).ok());
  EXPECT_EQ(*store.Get(object, "k"), std::nullopt);
  EXPECT_EQ(*store.Get(object, "moved"), "1");

  for (const char* key : {"a/1", "a/2", "a/3", "b/1"}) {
    ASSERT_TRUE(store.Update(object, {{key, std::nullopt, key}}).ok());
  }
  const auto first = store.List(object, "a/", "", 2);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->size(), 2U);
  EXPECT_EQ((*first)[0].key, "a/1");
  const auto rest = store.List(object, "a/", (*first)[1].key, 10);
  ASSERT_EQ(rest->size(), 1U);
  EXPECT_EQ((*rest)[0].key, "a/3");
  EXPECT_EQ((*rest)[0].value, "a/3");
}

}  // namespace berth
