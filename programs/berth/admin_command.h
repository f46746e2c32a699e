#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <vector>

#include "admin.grpc.pb.h"
#include "programs/berth/command.h"

namespace berth {

// What the commands to berth-controller share (csi/admin/admin.proto): how it is reached, and the
// form of the answer. Where its socket is, it is asked there; anywhere else the same command is run
// in its pod by `kubectl exec`, so that whoever may do that may do this, and nobody else.
class AdminCommand : public Command {
 public:
  Status Run() final;

 protected:
  // Adds the command `name` with the shared flags.
  CLI::App& Add(CLI::App& parent, const std::string& name, const std::string& description);

  // The words of this command with what was given, for the same program in the controller's pod.
  virtual std::vector<std::string> Words() const = 0;
  // Whether it asks the person something: then the pod is given standard input, too.
  virtual bool ReadsInput() const { return false; }
  // Asks and prints.
  virtual Status Ask(admin::v1::Admin::Stub& stub) = 0;

  // For one call; has its deadline.
  std::unique_ptr<grpc::ClientContext> NewContext() const;
  bool json() const { return output_ == "json"; }
  static Status Print(const google::protobuf::Message& message);
  static void PrintTable(const std::vector<std::vector<std::string>>& rows);
  // What could not be looked at or done, to standard error; an error that says so when there is
  // anything.
  static Status Report(const google::protobuf::RepeatedPtrField<admin::v1::Problem>& problems);

 private:
  Status RunInPod() const;

  std::string endpoint_;
  std::string namespace_ = "berth-system";
  std::string kubeconfig_;
  std::string context_;
  std::string output_;
  int timeout_s_ = 60;
};

class Holders final : public AdminCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  std::vector<std::string> Words() const override;
  Status Ask(admin::v1::Admin::Stub& stub) override;
  std::string volume_;
};

class FenceNode final : public AdminCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  std::vector<std::string> Words() const override;
  Status Ask(admin::v1::Admin::Stub& stub) override;
  std::string node_;
  std::string reason_ = "by hand";
};

class UnfenceNode final : public AdminCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  std::vector<std::string> Words() const override;
  Status Ask(admin::v1::Admin::Stub& stub) override;
  std::string node_;
};

class ListFences final : public AdminCommand {
 public:
  CLI::App& AddTo(CLI::App& parent) override;

 private:
  std::vector<std::string> Words() const override;
  Status Ask(admin::v1::Admin::Stub& stub) override;
};

}  // namespace berth
