#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/status.h"
#include "rbd/image.h"

namespace berth {

// Hears of changes of an open image's header, its size among them. Not for an image that was opened
// read-only: librbd does not watch those.
class SizeWatch {
 public:
  // `on_change` runs on a thread of librbd's and must only post. `image` must outlive the watch.
  static StatusOr<std::unique_ptr<SizeWatch>> Start(const Image& image,
                                                    std::function<void()> on_change);
  // `on_change` does not run any more afterwards.
  ~SizeWatch();
  SizeWatch(const SizeWatch&) = delete;
  SizeWatch& operator=(const SizeWatch&) = delete;

 private:
  SizeWatch(const Image& image, std::function<void()> on_change)
      : image_(image), on_change_(std::move(on_change)) {}

  const Image& image_;
  const std::function<void()> on_change_;
  uint64_t handle_ = 0;
};

}  // namespace berth
