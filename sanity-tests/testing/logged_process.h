#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "base/status.h"

namespace berth {

// Starts `argv` as ChildProcess::Start does, with its output appended to the file `log`.
StatusOr<ChildProcess> StartLogged(const std::string& log, const std::vector<std::string>& argv,
                                   std::vector<ChildProcess::Inherited> inherited);

}  // namespace berth
