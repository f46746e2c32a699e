#include "rbd/data/size_watch.h"

#include <rbd/librbd.h>

#include <utility>

namespace berth {

StatusOr<std::unique_ptr<SizeWatch>> SizeWatch::Start(const Image& image,
                                                      std::function<void()> on_change) {
  std::unique_ptr<SizeWatch> watch(new SizeWatch(image, std::move(on_change)));
  const auto tell = [](void* argument) { static_cast<SizeWatch*>(argument)->on_change_(); };
  const int error = rbd_update_watch(image.get(), &watch->handle_, tell, watch.get());
  if (error != 0) return ErrnoError(error, "watch the image's header");
  return watch;
}

SizeWatch::~SizeWatch() {
  if (handle_ != 0) rbd_update_unwatch(image_.get(), handle_);
}

}  // namespace berth
