#pragma once

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>

#include <cstring>
#include <deque>
#include <string>

#include "absl/time/clock.h"
#include "base/fd.h"
#include "base/synchronized.h"
#include "rbd/data/block_backend.h"
#include "rbd/data/fuse_protocol.h"

namespace berth {

// The kernel's side of a FUSE connection, played over a socket that keeps messages apart.
class Kernel {
 public:
  struct Answer {
    fuse_out_header header = {};
    std::string data;
  };

  Kernel() {
    constexpr int kSocketBytes = 8 << 20;
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    ours_ = Fd(ends[0]);
    theirs_ = Fd(ends[1]);
    for (const int end : ends) {
      EXPECT_EQ(setsockopt(end, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBytes, sizeof kSocketBytes), 0);
    }
  }

  int server_fd() const { return theirs_.get(); }

  void SendRaw(const std::string& message) {
    EXPECT_EQ(send(ours_.get(), message.data(), message.size(), 0),
              static_cast<ssize_t>(message.size()));
  }
  template <typename Argument>
  void Send(uint32_t opcode, uint64_t unique, const Argument& argument,
            const std::string& data = "") {
    fuse_in_header header = {};
    header.len = static_cast<uint32_t>(sizeof header + sizeof argument + data.size());
    header.opcode = opcode;
    header.unique = unique;
    std::string message(reinterpret_cast<const char*>(&header), sizeof header);
    message.append(reinterpret_cast<const char*>(&argument), sizeof argument);
    SendRaw(message + data);
  }
  Answer Receive() {
    std::string message(kFuseRequestBytes, '\0');
    const ssize_t count = recv(ours_.get(), message.data(), message.size(), 0);
    Answer answer;
    if (count < static_cast<ssize_t>(sizeof answer.header)) {
      ADD_FAILURE() << "no whole answer";
      return answer;
    }
    std::memcpy(&answer.header, message.data(), sizeof answer.header);
    EXPECT_EQ(answer.header.len, count);
    answer.data =
        message.substr(sizeof answer.header, static_cast<size_t>(count) - sizeof answer.header);
    return answer;
  }
  template <typename Argument>
  Answer Call(uint32_t opcode, const Argument& argument, const std::string& data = "") {
    Send(opcode, ++unique_, argument, data);
    Answer answer = Receive();
    EXPECT_EQ(answer.header.unique, unique_);
    return answer;
  }
  int Write(uint64_t offset, const std::string& data) {
    fuse_write_in write = {};
    write.offset = offset;
    write.size = static_cast<uint32_t>(data.size());
    const Answer answer = Call(FUSE_WRITE, write, data);
    return answer.header.error;
  }
  Answer Read(uint64_t offset, uint32_t size) {
    fuse_read_in read = {};
    read.offset = offset;
    read.size = size;
    return Call(FUSE_READ, read);
  }
  int Allocate(uint64_t offset, uint64_t length, uint32_t mode) {
    fuse_fallocate_in allocate = {};
    allocate.offset = offset;
    allocate.length = length;
    allocate.mode = mode;
    return Call(FUSE_FALLOCATE, allocate).header.error;
  }
  void HangUp() { shutdown(ours_.get(), SHUT_WR); }

 private:
  Fd ours_;
  Fd theirs_;
  uint64_t unique_ = 100;
};

// A backend that keeps every write until told to let it go.
class HoldingBackend final : public BlockBackend {
 public:
  uint64_t size_bytes() const override { return 1 << 30; }
  void Read(uint64_t, std::span<char>, Completion& completion) override { completion.Complete(0); }
  void Zero(uint64_t, uint64_t, ZeroMode, Completion& completion) override {
    completion.Complete(0);
  }
  void Flush(Completion& completion) override { completion.Complete(0); }
  void Write(uint64_t, std::span<const char>, Completion& completion) override {
    auto held = held_.Lock();
    held->push_back(&completion);
    held.NotifyAll();
  }
  // Waits until `count` are held.
  bool Holds(size_t count) {
    auto held = held_.Lock();
    return held.WaitUntil(absl::Now() + absl::Seconds(10), [&] { return held->size() >= count; });
  }
  size_t held() { return held_.Lock()->size(); }
  void LetOneGo() {
    Completion* completion = nullptr;
    {
      const auto held = held_.Lock();
      completion = held->front();
      held->pop_front();
    }
    completion->Complete(0);
  }

 private:
  Synchronized<std::deque<Completion*>> held_;
};

}  // namespace berth
