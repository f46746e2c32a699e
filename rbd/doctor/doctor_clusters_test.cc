// The doctor over clusters that are down, and users who may not do all.
#include <gmock/gmock.h>
#include <spdlog/fmt/fmt.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "rbd/doctor/doctor.h"
#include "rbd/testing/ceph_fixture.h"

namespace berth {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// Ceph's administrator, as the lab's ceph.conf has him.
class Administrator {
 public:
  Administrator() {
    rados_create(&rados_, "admin");
    const char* conf = std::getenv("CEPH_CONF");
    if (conf == nullptr || rados_conf_read_file(rados_, conf) != 0 || rados_connect(rados_) != 0) {
      throw std::runtime_error("CEPH_CONF is not set to the lab's: run this test by ./dev test");
    }
  }
  Administrator(const Administrator&) = delete;
  Administrator& operator=(const Administrator&) = delete;
  ~Administrator() { rados_shutdown(rados_); }

  std::string Do(const nlohmann::json& command) {
    const std::string text = command.dump();
    const char* commands = text.c_str();
    char* answer = nullptr;
    size_t size = 0;
    EXPECT_EQ(rados_mon_command(rados_, &commands, 1, nullptr, 0, &answer, &size, nullptr, nullptr),
              0)
        << text;
    const std::string copy(answer, size);
    rados_buffer_free(answer);
    return copy;
  }
  // The key of a user with these caps, in the order service, caps, …
  std::string MakeUser(const std::string& id, const std::vector<std::string>& caps) {
    Do({{"prefix", "auth get-or-create"}, {"entity", "client." + id}, {"caps", caps}});
    return Do({{"prefix", "auth print-key"}, {"entity", "client." + id}});
  }
  void RemoveUser(const std::string& id) {
    Do({{"prefix", "auth rm"}, {"entity", "client." + id}});
  }

 private:
  rados_t rados_ = nullptr;
};

class DoctorClustersTest : public CephTest {
 protected:
  DoctorClustersTest() {
    std::string name = (std::filesystem::temp_directory_path() / "berth-clusters-XXXXXX").string();
    directory_ = mkdtemp(name.data());
  }
  ~DoctorClustersTest() override { std::filesystem::remove_all(directory_); }

  void AddCluster(const std::string& alias, const std::string& conf, const std::string& user,
                  const std::string& key) {
    std::filesystem::create_directory(directory_ / alias);
    std::ofstream(directory_ / alias / "ceph.conf") << conf;
    std::ofstream(directory_ / alias / "keyring")
        << fmt::format("[client.{}]\n\tkey = {}\n", user, key);
  }
  std::string LabConf() {
    std::ifstream file(connections().clusters().Find(kCluster)->conf_path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Examination Examine(std::chrono::seconds timeout) {
    Connections clusters(ClusterDirectory(directory_), timeout);
    const RealClock clock;
    Volumes volumes(clusters, clock);
    Nodes nodes(clusters, clock);
    return Doctor({clusters, volumes, nodes, clock, std::chrono::hours(1)}, "0.1.0")
        .Examine(absl::Now() + absl::Seconds(30));
  }
  // "kind object" of what is wrong, without what is only worth knowing.
  static std::vector<std::string> WrongIn(const Examination& examination,
                                          const std::string& object_prefix) {
    std::vector<std::string> wrong;
    for (const Finding& finding : examination.findings) {
      if (finding.severity == Severity::kInfo) continue;
      if (finding.object.starts_with(object_prefix)) {
        wrong.push_back(finding.kind + " " + finding.object);
      }
    }
    return wrong;
  }

  std::filesystem::path directory_;
};

TEST_F(DoctorClustersTest, OneThatIsDownDelaysNobody) {
  const CephUser user = connections().clusters().Find(kCluster)->user;
  AddCluster("up", LabConf(), user.id, user.key);
  AddCluster("up2", LabConf(), user.id, user.key);
  for (const char* alias : {"down", "down2", "down3"}) {
    // A port that nobody listens on.
    AddCluster(alias, "[global]\nmon host = v2:127.0.0.1:1/0\n", user.id, user.key);
  }
  AddCluster("refused", LabConf(), "nobody", user.key);
  const absl::Time begin = absl::Now();
  const Examination examination = Examine(std::chrono::seconds(5));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(9)) << "they are looked at at the same time";
  std::vector<std::string> connected;
  for (const ClusterSummary& cluster : examination.clusters) {
    if (cluster.connected) connected.push_back(cluster.cluster);
  }
  EXPECT_THAT(connected, UnorderedElementsAre("up", "up2"));
  for (const char* alias : {"down", "down2", "down3", "refused"}) {
    EXPECT_THAT(WrongIn(examination, alias),
                testing::Contains(fmt::format("cluster-unreachable {}", alias)));
  }
}

TEST_F(DoctorClustersTest, MissingCapsAreNamedWithoutAChange) {
  Administrator administrator;
  const auto blocklist = *OpenPool()->client->Blocklist();
  const struct {
    const char* alias;
    std::vector<std::string> caps;
    std::vector<std::string> wrong;
  } kUsers[] = {
      {"all", {"mon", "profile rbd", "osd", "profile rbd pool=rbd"}, {}},
      {"no-fence", {"mon", "allow r", "osd", "profile rbd pool=rbd"}, {"caps-missing no-fence"}},
      {"no-write",
       {"mon", "profile rbd", "osd", "allow rx pool=rbd"},
       {"caps-missing no-write/rbd"}},
      {"no-class",
       {"mon", "profile rbd", "osd", "allow rw pool=rbd"},
       {"caps-missing no-class/rbd"}},
      {"no-pool", {"mon", "profile rbd", "osd", "allow rwx pool=other"}, {}},
  };
  for (const auto& user : kUsers) {
    AddCluster(user.alias, LabConf(), user.alias, administrator.MakeUser(user.alias, user.caps));
  }
  const Examination examination = Examine(std::chrono::seconds(10));
  for (const auto& user : kUsers) {
    std::vector<std::string> caps;
    for (const std::string& wrong : WrongIn(examination, user.alias)) {
      if (wrong.starts_with("caps-missing")) caps.push_back(wrong);
    }
    EXPECT_EQ(caps, user.wrong) << user.alias;
    administrator.RemoveUser(user.alias);
  }
  bool closed = false;
  for (const Finding& finding : examination.findings) {
    if (finding.object != "no-pool") continue;
    closed |= finding.kind == "pools-closed" && finding.problem.ends_with(": rbd");
  }
  EXPECT_TRUE(closed);
  EXPECT_EQ(*OpenPool()->client->Blocklist(), blocklist);
}

TEST_F(DoctorClustersTest, NoClustersAtAll) {
  const Examination examination = [] {
    Connections nowhere(ClusterDirectory("/nonexistent"), std::chrono::seconds(1));
    const RealClock clock;
    Volumes volumes(nowhere, clock);
    Nodes nodes(nowhere, clock);
    return Doctor({nowhere, volumes, nodes, clock, std::chrono::hours(1)}, "0.1.0")
        .Examine(absl::Now() + absl::Seconds(30));
  }();
  ASSERT_EQ(examination.findings.size(), 1U);
  EXPECT_EQ(examination.findings[0].kind, "clusters-unreadable");
}

}  // namespace
}  // namespace berth
