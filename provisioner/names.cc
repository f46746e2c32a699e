#include "provisioner/names.h"

#include "absl/strings/ascii.h"

namespace berth::provisioner {

std::string AttacherFinalizer(std::string_view driver) {
  std::string name(driver);
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) c = '-';
  }
  if (name.ends_with('-')) name += 'X';
  return "external-attacher/" + name;
}

}  // namespace berth::provisioner
