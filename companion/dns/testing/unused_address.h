#pragma once

#include <string>

#include "companion/dns/ip_address.h"

namespace berth::dns {

// An address with `ip` whose port nobody has, neither by UDP nor by TCP: the kernel gives a port
// that is free for one of the two, and connections that tests left behind may have it for the
// other.
SocketAddress UnusedAddress(const std::string& ip = "127.0.0.1");

}  // namespace berth::dns
