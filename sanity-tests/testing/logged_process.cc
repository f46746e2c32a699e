#include "sanity-tests/testing/logged_process.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>

namespace berth {

StatusOr<ChildProcess> StartLogged(const std::string& log, const std::vector<std::string>& argv,
                                   std::vector<ChildProcess::Inherited> inherited) {
  const Fd output(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!output.valid()) return ErrnoError(errno, fmt::format("make {}", log));
  inherited.push_back({output.get(), STDOUT_FILENO});
  inherited.push_back({output.get(), STDERR_FILENO});
  return ChildProcess::Start(argv, inherited);
}

}  // namespace berth
