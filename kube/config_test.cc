#include "kube/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace berth::kube {
namespace {

using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "berth-config-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  // A kubeconfig whose cluster and user have the given fields.
  std::string Kubeconfig(const std::string& cluster, const std::string& user) {
    return Write("config",
                 "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: "
                 "u, namespace: n}}]\nclusters: [{name: k, cluster: {" +
                     cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
  }
  StatusOr<Config> Load(const std::string& cluster, const std::string& user) {
    return LoadKubeconfig(Kubeconfig(cluster, user), "", clock_);
  }

  std::string directory_;
  std::shared_ptr<FakeClock> clock_ = std::make_shared<FakeClock>(absl::UnixEpoch());
};

TEST_F(ConfigTest, DataAndFilesAreRead) {
  Write("ca.crt", "the ca");
  Write("key", "the key");
  const StatusOr<Config> config = Load("server: 'https://h:1/', certificate-authority: ca.crt",
                                       "client-certificate-data: dGhlIGNlcnQ=, client-key: key");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://h:1");
  EXPECT_EQ(config->ca_pem, "the ca");
  EXPECT_EQ(config->client_certificate_pem, "the cert");
  EXPECT_EQ(config->client_key_pem, "the key");
  EXPECT_EQ(config->default_namespace, "n");
  EXPECT_FALSE(config->insecure_skip_tls_verify);
}

TEST_F(ConfigTest, WhatIsWrongIsNamed) {
  const auto message = [](const StatusOr<Config>& config) {
    return std::string(config.status().message());
  };
  EXPECT_THAT(message(Load("server: 'http://h'", "")), HasSubstr("http://h is not an https"));
  EXPECT_THAT(message(Load("", "")), HasSubstr("no server"));
  EXPECT_THAT(message(Load("server: 'https://h'", "exec: {command: x}")), HasSubstr("\"exec\""));
  EXPECT_THAT(message(Load("server: 'https://h'", "client-key-data: eA==")),
              HasSubstr("needed together"));
  EXPECT_THAT(message(Load("server: 'https://h', certificate-authority-data: '!'", "")),
              HasSubstr("certificate-authority-data is not base64"));
  EXPECT_THAT(message(LoadKubeconfig(Kubeconfig("server: 'https://h'", ""), "d", clock_)),
              HasSubstr("contexts has no entry called \"d\""));
  EXPECT_THAT(message(LoadKubeconfig(Write("bad", "a: [b"), "", clock_)), HasSubstr("bad"));
  EXPECT_EQ(LoadKubeconfig(directory_ + "/absent", "", clock_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ConfigTest, ARotatedTokenIsReadAgain) {
  const std::string path = Write("token", "one\n");
  TokenFile token(path, clock_);
  EXPECT_EQ(*token.Token(), "one");
  Write("token", "two");
  EXPECT_EQ(*token.Token(), "one");
  clock_->Advance(absl::Minutes(1));
  EXPECT_EQ(*token.Token(), "two");
  Write("token", "three");
  token.Expire();
  EXPECT_EQ(*token.Token(), "three");
  std::filesystem::remove(path);
  token.Expire();
  EXPECT_EQ(*token.Token(), "three");
}

const char* InPod(const char* name) {
  return std::string_view(name) == "KUBERNETES_SERVICE_HOST" ? "10.96.0.1" : "443";
}

TEST_F(ConfigTest, TheServiceAccountOfAPod) {
  Write("ca.crt", "the ca");
  Write("token", "secret");
  Write("namespace", "berth-system\n");
  const StatusOr<Config> config = InClusterConfig(InPod, directory_, clock_);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->server, "https://10.96.0.1:443");
  EXPECT_EQ(*config->token_file->Token(), "secret");
  EXPECT_EQ(config->default_namespace, "berth-system");
  const auto nowhere = [](const char*) -> const char* { return nullptr; };
  EXPECT_EQ(InClusterConfig(nowhere, directory_, clock_).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace berth::kube
