#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "sanity-tests/bench/attach/rates.h"
#include "sanity-tests/bench/attach/settings.h"
#include "sanity-tests/bench/attach/usage.h"

namespace berth {

// Prints the tables; false when a ratio is below its floor.
bool PrintReport(const std::vector<MeasuredJob>& jobs, const std::vector<CountedUsage>& usages);

// The same with every round's figures, and the machine.
nlohmann::json ReportAsJson(const AttachBenchSettings& settings,
                            const std::vector<MeasuredJob>& jobs,
                            const std::vector<CountedUsage>& usages);

}  // namespace berth
