// Loaded into the programs by LD_PRELOAD: kills the process at the crash point that the test has
// chosen, before or after one call of one imported symbol.
//
// For each symbol there is a function of its name that knows neither arguments nor result: it keeps
// every register that may hold one, lets CrashEnter decide, and jumps to the real function with the
// stack as the caller left it. The return address is replaced by crash_leave, which does the same
// with the registers of a result.

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "control.h"

#ifndef __x86_64__
#error "crash points know the registers of x86-64 alone"
#endif

// NOLINTBEGIN: assembly and what it calls.
#define CRASH_POINT(index, name, must_be_met)                                           \
  asm(".text\n.globl " #name "\n.type " #name ",@function\n" #name ":\n\tmovl $" #index \
      ", %r11d\n\tjmp crash_enter\n.size " #name ", .-" #name "\n");
#include "points.inc"
#undef CRASH_POINT

asm(R"(
.text
crash_enter:
  pushq %rbp
  movq %rsp, %rbp
  andq $-16, %rsp
  subq $192, %rsp
  movq %rax, 0(%rsp)
  movq %rdi, 8(%rsp)
  movq %rsi, 16(%rsp)
  movq %rdx, 24(%rsp)
  movq %rcx, 32(%rsp)
  movq %r8, 40(%rsp)
  movq %r9, 48(%rsp)
  movups %xmm0, 64(%rsp)
  movups %xmm1, 80(%rsp)
  movups %xmm2, 96(%rsp)
  movups %xmm3, 112(%rsp)
  movups %xmm4, 128(%rsp)
  movups %xmm5, 144(%rsp)
  movups %xmm6, 160(%rsp)
  movups %xmm7, 176(%rsp)
  movl %r11d, %edi
  leaq 8(%rbp), %rsi
  call CrashEnter
  movq %rax, %r11
  movq 0(%rsp), %rax
  movq 8(%rsp), %rdi
  movq 16(%rsp), %rsi
  movq 24(%rsp), %rdx
  movq 32(%rsp), %rcx
  movq 40(%rsp), %r8
  movq 48(%rsp), %r9
  movups 64(%rsp), %xmm0
  movups 80(%rsp), %xmm1
  movups 96(%rsp), %xmm2
  movups 112(%rsp), %xmm3
  movups 128(%rsp), %xmm4
  movups 144(%rsp), %xmm5
  movups 160(%rsp), %xmm6
  movups 176(%rsp), %xmm7
  movq %rbp, %rsp
  popq %rbp
  jmpq *%r11

crash_leave:
  subq $48, %rsp
  movq %rax, 0(%rsp)
  movq %rdx, 8(%rsp)
  movups %xmm0, 16(%rsp)
  movups %xmm1, 32(%rsp)
  call CrashLeave
  movq %rax, %r11
  movq 0(%rsp), %rax
  movq 8(%rsp), %rdx
  movups 16(%rsp), %xmm0
  movups 32(%rsp), %xmm1
  addq $48, %rsp
  jmpq *%r11
)");

extern "C" __attribute__((visibility("hidden"))) void crash_leave();

namespace berth {
namespace {

// A call that has not returned yet.
struct OpenCall {
  uintptr_t return_address;
  uint32_t symbol;
  uint32_t nth;
};
constexpr size_t kDeepestNesting = 64;
thread_local OpenCall open_calls[kDeepestNesting];
thread_local size_t open_call_count = 0;

// Set by the constructor, before the program has threads.
CrashControl* control = nullptr;
Program program = Program::kController;
uintptr_t program_begin = 0;
uintptr_t program_end = 0;

std::atomic<void*> real_functions[kPointSymbolCount];

// A berth-data starts its I/O processes from its own file and with an environment of their own.
int SpawnWithCrashPoints(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                         const posix_spawnattr_t* attributes, char* const* arguments,
                         char* const* environment) {
  static const auto real =
      reinterpret_cast<decltype(&posix_spawnp)>(dlsym(RTLD_NEXT, "posix_spawnp"));
  if (std::strcmp(file, "/proc/self/exe") != 0) {
    return real(pid, file, actions, attributes, arguments, environment);
  }
  std::vector<std::string> added;
  for (const char* name : {"LD_PRELOAD", kControlVariable}) {
    added.push_back(std::string(name) + "=" + std::getenv(name));
  }
  std::vector<char*> variables;
  for (char* const* variable = environment; *variable != nullptr; ++variable) {
    variables.push_back(*variable);
  }
  for (std::string& variable : added) variables.push_back(variable.data());
  variables.push_back(nullptr);
  return real(pid, file, actions, attributes, arguments, variables.data());
}

void* RealFunction(uint32_t symbol) {
  void* function = real_functions[symbol].load(std::memory_order_relaxed);
  if (function != nullptr) return function;
  const char* name = kPointSymbols[symbol].name;
  function = std::strcmp(name, "posix_spawnp") == 0 ? reinterpret_cast<void*>(&SpawnWithCrashPoints)
                                                    : dlsym(RTLD_NEXT, name);
  if (function == nullptr) std::abort();
  real_functions[symbol].store(function, std::memory_order_relaxed);
  return function;
}

// What libraries call among themselves is not ours.
bool IsProgramsOwn(uintptr_t return_address) {
  return return_address >= program_begin && return_address < program_end;
}

void DieIfChosen(uint32_t symbol, uint32_t nth, Side side) {
  if (control->mode.load() != CrashControl::kCrash) return;
  const CrashPoint& point = control->point;
  if (point.program != program || point.symbol != symbol || point.nth != nth || point.side != side)
    return;
  if (control->crashed.exchange(1) != 0) return;
  syscall(SYS_kill, static_cast<long>(syscall(SYS_getpid)), SIGKILL);
  for (;;) pause();
}

int FindProgram(dl_phdr_info* info, size_t /*size*/, void* /*data*/) {
  // The first object is the program itself.
  program_begin = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    program_begin = std::min(program_begin, begin);
    program_end = std::max(program_end, begin + header.p_memsz);
  }
  return 1;
}

// False for any other program than ours.
bool FindWhich() {
  char path[512] = {};
  if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) return false;
  const char* slash = std::strrchr(path, '/');
  const char* name = slash == nullptr ? path : slash + 1;
  for (const Program candidate : {Program::kController, Program::kNode, Program::kData}) {
    if (std::strcmp(name, kProgramNames[static_cast<uint32_t>(candidate)]) != 0) continue;
    program = candidate;
    return true;
  }
  return false;
}

bool IsIoProcess() {
  char words[512] = {};
  const int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  const ssize_t length = read(file, words, sizeof words - 1);
  close(file);
  const size_t first = std::strlen(words) + 1;
  return length > static_cast<ssize_t>(first) && std::strcmp(words + first, "io") == 0;
}

__attribute__((constructor)) void Begin() {
  const char* path = std::getenv(kControlVariable);
  if (path == nullptr || !FindWhich()) return;
  if (program == Program::kData && IsIoProcess()) program = Program::kIo;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  void* memory = mmap(nullptr, sizeof(CrashControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (file < 0 || memory == MAP_FAILED) std::abort();
  dl_iterate_phdr(FindProgram, nullptr);
  control = static_cast<CrashControl*>(memory);
}

}  // namespace
}  // namespace berth

// The real function. `return_address` is where the caller's is kept.
extern "C" __attribute__((visibility("hidden"), used)) void* CrashEnter(uint32_t symbol,
                                                                        uintptr_t* return_address) {
  using namespace berth;
  const int saved_errno = errno;
  if (control != nullptr && control->mode.load() != CrashControl::kOff &&
      IsProgramsOwn(*return_address)) {
    const uint32_t nth = control->met[static_cast<uint32_t>(program)][symbol].fetch_add(1) + 1;
    DieIfChosen(symbol, nth, Side::kBefore);
    if (open_call_count == kDeepestNesting) std::abort();
    open_calls[open_call_count++] = {*return_address, symbol, nth};
    *return_address = reinterpret_cast<uintptr_t>(&crash_leave);
  }
  void* const function = RealFunction(symbol);
  errno = saved_errno;
  return function;
}

// Where the caller goes on.
extern "C" __attribute__((visibility("hidden"), used)) uintptr_t CrashLeave() {
  using namespace berth;
  const int saved_errno = errno;
  const OpenCall call = open_calls[--open_call_count];
  DieIfChosen(call.symbol, call.nth, Side::kAfter);
  errno = saved_errno;
  return call.return_address;
}
// NOLINTEND
