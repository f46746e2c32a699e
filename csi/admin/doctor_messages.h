#pragma once

#include "admin.pb.h"
#include "rbd/doctor/doctor.h"

namespace berth {

// The doctor's findings as csi/admin/admin.proto has them.
admin::v1::ExamineResponse ToMessage(const Examination& examination);

// Applies one remedy and says what became of it. One that this version does not know has failed.
admin::v1::RepairOutcome Apply(Doctor& doctor, const admin::v1::Remedy& remedy);

}  // namespace berth
