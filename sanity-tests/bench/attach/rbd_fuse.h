#pragma once

#include <string>
#include <utility>

#include "base/process.h"
#include "base/status.h"

namespace berth {

// Debian's rbd-fuse: the image as a file in a directory of its own. Ended and unmounted when this
// goes.
class RbdFuse {
 public:
  struct Image {
    std::string conf_path;
    std::string admin_keyring_path;  // rbd-fuse connects as client.admin, and as nobody else
    std::string pool;
    std::string name;
    std::string log_path;  // what rbd-fuse prints
  };

  // Returns once the file can be opened. UNAVAILABLE with rbd-fuse's own words when it is not
  // installed, ends, or does not mount within 20 s.
  static StatusOr<RbdFuse> Mount(const Image& image);
  RbdFuse(RbdFuse&& other) noexcept;
  RbdFuse& operator=(RbdFuse&&) = delete;
  ~RbdFuse();

  std::string file() const { return directory_ + "/" + image_.name; }
  // Ends the program in its own way, in which it closes the image: then another may write to it.
  // DEADLINE_EXCEEDED when that took 20 s and it was killed. What it did not take away itself, the
  // mount and the directory, is taken away in any case.
  Status Unmount();

 private:
  RbdFuse(std::string directory, const Image& image, ChildProcess process)
      : directory_(std::move(directory)), image_(image), process_(std::move(process)) {}
  Status AwaitFile();

  std::string directory_;  // empty: unmounted or moved from
  Image image_;
  ChildProcess process_;
};

}  // namespace berth
