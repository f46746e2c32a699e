#pragma once

namespace berth {

// Gives back what this process has resident and does not use: free heap pages, and pages of
// programs and libraries that only starting touched. What is needed again is mapped again from the
// page cache, at the cost of a minor fault. For programs that are idle most of the time, called now
// and then. Thread-safe.
void ReleaseUnusedMemory();

}  // namespace berth
