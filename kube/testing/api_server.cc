#include "kube/testing/api_server.h"

#include <arpa/inet.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/fd.h"
#include "kube/cancellation.h"
#include "kube/core_v1.h"

namespace berth::kube {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);
constexpr char kToken[] = "test-admin-token";

StatusOr<int> FreePort() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::getsockname(fd.get(), generic, &size) != 0) {
    return ErrnoError(errno, "find a free port");
  }
  return ntohs(address.sin_port);
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// setpriv: the kernel ends the child when this program dies.
StatusOr<ChildProcess> StartLogged(const std::vector<std::string>& argv, const std::string& log) {
  return ChildProcess::Start({"setpriv", "--pdeathsig", "KILL", "sh", "-c",
                              fmt::format("exec {} >>{} 2>&1", absl::StrJoin(argv, " "), log)},
                             {});
}

void End(std::optional<ChildProcess>& child, int signal) {
  if (!child) return;
  child->Signal(signal).IgnoreError();
  if (!child->Wait(absl::Now() + absl::Seconds(20)).ok()) {
    child->Signal(SIGKILL).IgnoreError();
    child->Wait(absl::InfiniteFuture()).status().IgnoreError();
  }
  child.reset();
}

}  // namespace

StatusOr<std::unique_ptr<TestApiServer>> TestApiServer::Start() {
  const char* binaries = std::getenv("BERTH_KUBE_BIN");
  const char* etcd = std::getenv("BERTH_ETCD");
  if (binaries == nullptr || etcd == nullptr) {
    return absl::FailedPreconditionError(
        "set BERTH_KUBE_BIN to the directory that holds kube-apiserver, and BERTH_ETCD to etcd");
  }
  std::string pattern = (std::filesystem::temp_directory_path() / "berth-kube-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return ErrnoError(errno, "make " + pattern);
  std::unique_ptr<TestApiServer> server(new TestApiServer(pattern));
  server->program_ = std::string(binaries) + "/kube-apiserver";
  server->etcd_program_ = etcd;
  BERTH_ASSIGN_OR_RETURN(server->etcd_port_, FreePort());
  BERTH_ASSIGN_OR_RETURN(server->port_, FreePort());
  std::ofstream(pattern + "/tokens.csv") << kToken << ",admin,admin,system:masters\n";
  BERTH_ASSIGN_OR_RETURN(const ProcessResult key,
                         RunProcess({"openssl", "genrsa", "-out", pattern + "/sa.key", "2048"},
                                    absl::Now() + absl::Seconds(20)));
  if (key.exit_code != 0) return absl::InternalError("openssl: " + key.output);
  BERTH_RETURN_IF_ERROR(server->StartEtcd());
  BERTH_RETURN_IF_ERROR(server->StartApiServer());
  return server;
}

Status TestApiServer::StartEtcd() {
  BERTH_ASSIGN_OR_RETURN(const int peer_port, FreePort());
  const std::string client = fmt::format("http://127.0.0.1:{}", etcd_port_);
  const std::string peer = fmt::format("http://127.0.0.1:{}", peer_port);
  BERTH_ASSIGN_OR_RETURN(
      etcd_, StartLogged({etcd_program_, "--data-dir", directory_ + "/etcd", "--unsafe-no-fsync",
                          "--listen-client-urls", client, "--advertise-client-urls", client,
                          "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                          "--initial-cluster", "default=" + peer},
                         directory_ + "/etcd.log"));
  return absl::OkStatus();
}

Status TestApiServer::StartApiServer() {
  const std::string key = directory_ + "/sa.key";
  BERTH_ASSIGN_OR_RETURN(
      api_server_,
      StartLogged({program_, fmt::format("--etcd-servers=http://127.0.0.1:{}", etcd_port_),
                   // Else it looks for a default route, which a network namespace need not have.
                   "--advertise-address=127.0.0.1", "--bind-address=127.0.0.1",
                   fmt::format("--secure-port={}", port_), "--cert-dir=" + directory_ + "/certs",
                   "--token-auth-file=" + directory_ + "/tokens.csv", "--authorization-mode=RBAC",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
                   "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
                   "--allow-privileged=true",  // berth-node and berth-data are
                   "--disable-admission-plugins=StorageObjectInUseProtection,ServiceAccount"},
                  directory_ + "/kube-apiserver.log"));
  return WaitUntilReady();
}

Status TestApiServer::WaitUntilReady() {
  const Cancellation never;
  const std::string certificate = directory_ + "/certs/apiserver.crt";
  const absl::Time deadline = absl::Now() + kStartTimeout;
  Status last = absl::UnavailableError("it wrote no certificate");
  while (absl::Now() < deadline) {
    config_.server = fmt::format("https://127.0.0.1:{}", port_);
    config_.ca_pem = ReadAll(certificate);
    config_.token = kToken;
    if (!config_.ca_pem.empty()) {
      last = Client()->Get<core::Namespace>({"", "default"}, absl::Seconds(5)).status();
      if (last.ok()) {
        WriteKubeconfig();
        return last;
      }
    }
    if (api_server_->Wait(absl::Now()).ok()) break;
    never.WaitFor(absl::Milliseconds(100));
  }
  return absl::UnavailableError(fmt::format("kube-apiserver did not start: {}\n{}\n{}",
                                            last.ToString(), LogTail("kube-apiserver"),
                                            LogTail("etcd")));
}

void TestApiServer::WriteKubeconfig() const {
  std::ofstream(kubeconfig()) << fmt::format(
      R"(apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "{}", certificate-authority: certs/apiserver.crt}}}}]
users: [{{name: test, user: {{token: {}}}}}]
)",
      config_.server, config_.token);
}

std::unique_ptr<ApiClient> TestApiServer::Client() const { return *Connect(config_); }

Status TestApiServer::Restart() {
  End(api_server_, SIGKILL);
  return StartApiServer();
}

std::string TestApiServer::LogTail(const std::string& program) const {
  const std::string log = ReadAll(fmt::format("{}/{}.log", directory_, program));
  return log.size() > 1500 ? log.substr(log.size() - 1500) : log;
}

TestApiServer::~TestApiServer() {
  End(api_server_, SIGKILL);
  End(etcd_, SIGKILL);
  std::filesystem::remove_all(directory_);
}

}  // namespace berth::kube
