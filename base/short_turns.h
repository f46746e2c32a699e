#pragma once

namespace berth {

// Asks the scheduler for short turns of the calling thread: for one that does little at a time and
// should do it soon, beside threads that use all of a core. From Linux 6.12 on such a thread runs
// when it wakes up, and need not wait until another's turn of some milliseconds is over; an older
// kernel ignores this. It gets no larger share of the core, and no privilege is needed.
void TakeShortTurns();

}  // namespace berth
