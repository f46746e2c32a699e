#pragma once

#include "base/fd.h"
#include "base/status.h"
#include "companion/dns/ip_address.h"

namespace berth::dns {

// A bound, non-blocking socket of `kind` (SOCK_DGRAM or SOCK_STREAM) that may share its port with
// others of this process. One bound to [::] takes IPv4 too; datagrams to any address of ours carry
// which one it was. The errors of socket and bind, naming the address.
StatusOr<Fd> BindSocket(int kind, const SocketAddress& address);

StatusOr<SocketAddress> BoundAddress(const Fd& socket);

// For options whose failure only costs speed.
void SetOption(const Fd& socket, int level, int option, int value);

}  // namespace berth::dns
