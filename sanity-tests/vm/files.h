#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

#include "base/fd.h"

namespace berth {

// Writes and syncs; 0 or an errno.
inline int WriteSynced(const std::string& path, const std::string& text) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return errno;
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return EIO;
  return fsync(file.get()) == 0 ? 0 : errno;
}

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace berth
