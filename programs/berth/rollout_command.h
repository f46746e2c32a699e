#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "companion/rollout/target.h"
#include "programs/berth/command.h"
#include "programs/berth/connection.h"

namespace berth {

// What the commands below `rollout` share: the set that they are about, and the form of the answer.
class RolloutCommand : public Command {
 public:
  Status Run() final;

 protected:
  // Adds the command `name` with the shared flags.
  CLI::App& Add(CLI::App& parent, const std::string& name, const std::string& description);
  virtual Status RunFor(const statefulset::StatefulSet& set) = 0;

  kube::ApiClient& api() { return connection_.api(); }
  bool json() const { return output_ == "json"; }
  static void Print(const std::string& text);
  static void Print(const nlohmann::json& value);

 private:
  Connection connection_;
  std::string target_text_;
  std::string kind_;
  std::string output_;
};

class RolloutStatus final : public RolloutCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  Status RunFor(const statefulset::StatefulSet& set) override;

  std::string timeout_ = "5m";
};

class RolloutHistory final : public RolloutCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  Status RunFor(const statefulset::StatefulSet& set) override;

  int64_t revision_ = 0;
};

class RolloutUndo final : public RolloutCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  Status RunFor(const statefulset::StatefulSet& set) override;

  int64_t to_revision_ = 0;
};

}  // namespace berth
