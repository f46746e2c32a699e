#pragma once

#include <CLI/App.hpp>

#include "base/status.h"

namespace berth {

// One command of `berth`, such as `rollout status`: a file each.
class Command {
 public:
  virtual ~Command() = default;
  // Adds the command with its flags below `parent`; called once.
  virtual CLI::App& AddTo(CLI::App& parent) = 0;
  // Does what the flags say: results to standard output, each as soon as it is known. Blocks.
  virtual Status Run() = 0;
  // What the program ends with when Run returned OK.
  virtual int exit_code() const { return 0; }
};

}  // namespace berth
