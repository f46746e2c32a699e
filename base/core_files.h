#pragma once

namespace berth {

// Requests may carry keys, which belong into no core file: this process and the programs it starts
// write none from here on. Called first in main.
void KeepSecretsOutOfCoreFiles();

}  // namespace berth
