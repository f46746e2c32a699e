#include "base/core_files.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace berth {

void KeepSecretsOutOfCoreFiles() {
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

}  // namespace berth
