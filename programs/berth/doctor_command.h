#pragma once

#include "programs/berth/admin_command.h"

namespace berth {

// `berth doctor`: what is wrong, and with --fix its repair after a preview.
class DoctorCommand final : public AdminCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;
  // 3 when something is wrong that is more than worth knowing.
  int exit_code() const override { return exit_code_; }

 private:
  std::vector<std::string> Words() const override;
  bool ReadsInput() const override { return fix_ && !yes_; }
  Status Ask(admin::v1::Admin::Stub& stub) override;

  Status Fix(admin::v1::Admin::Stub& stub, const admin::v1::ExamineResponse& found);
  void Conclude(const admin::v1::ExamineResponse& found);

  bool fix_ = false;
  bool yes_ = false;
  int exit_code_ = 0;
};

}  // namespace berth
