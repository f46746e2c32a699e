#pragma once

#include <ldns/ldns.h>

// In C++, ldns makes these words of the language macros, and standard headers that come later stop
// compiling.
#undef bool
#undef true
#undef false
