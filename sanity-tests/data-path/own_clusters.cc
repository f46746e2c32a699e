#include "sanity-tests/data-path/own_clusters.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "absl/strings/str_replace.h"
#include "sanity-tests/data-path/ceph_daemons.h"

namespace berth {
namespace {

namespace fs = std::filesystem;

constexpr char kAlias[] = "lab";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return text.str();
}

std::string Must(const StatusOr<std::string>& result) {
  if (!result.ok()) throw std::runtime_error(std::string(result.status().message()));
  return *result;
}

}  // namespace

OwnClusters::OwnClusters() : before_(std::getenv("BERTH_CLUSTERS")) {
  std::string name = fs::temp_directory_path() / "berth-clusters-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  directory_ = name;
  user_ = "client.test-" + fs::path(directory_).filename().string();
  fs::create_directory(fs::path(directory_) / kAlias);
  WriteFile("ceph.conf", ReadFile(fs::path(before_) / kAlias / "ceph.conf"));
  RotateKey();
  WriteKeyring();
  setenv("BERTH_CLUSTERS", directory_.c_str(), 1);
}

OwnClusters::~OwnClusters() {
  setenv("BERTH_CLUSTERS", before_.c_str(), 1);
  RunCeph({"auth", "rm", user_}).IgnoreError();
  fs::remove_all(directory_);
}

void OwnClusters::RotateKey() {
  Must(RunCeph({"auth", "rm", user_}));
  Must(RunCeph({"auth", "get-or-create", user_, "mon", "profile rbd", "osd", "profile rbd", "mgr",
                "profile rbd"}));
  // What was written to standard error comes before it.
  const std::string printed = Must(RunCeph({"auth", "print-key", user_}));
  key_ = printed.substr(printed.find_last_of('\n') + 1);
}

void OwnClusters::WriteKeyring(const std::string& key) {
  WriteFile("keyring", fmt::format("[{}]\n\tkey = {}\n", user_, key));
}

void OwnClusters::AddMonitor(const std::string& address) {
  const std::string text = ReadFile(fs::path(directory_) / kAlias / "ceph.conf");
  const std::string name = "mon host = ";
  if (text.find(name) == std::string::npos) throw std::runtime_error("no mon host in ceph.conf");
  WriteFile("ceph.conf", absl::StrReplaceAll(text, {{name, name + address + ","}}));
}

void OwnClusters::WriteFile(const std::string& name, const std::string& text) {
  const fs::path path = fs::path(directory_) / kAlias / name;
  const fs::path next = path.string() + ".next";
  std::ofstream(next) << text;
  fs::rename(next, path);
}

}  // namespace berth
