# librbd ships neither a pkg-config file nor a CMake package. Makes the target Ceph::rbd.
find_package(Rados REQUIRED)
find_path(RBD_INCLUDE_DIR rbd/librbd.h)
find_library(RBD_LIBRARY rbd)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Rbd REQUIRED_VARS RBD_LIBRARY RBD_INCLUDE_DIR)
if(Rbd_FOUND AND NOT TARGET Ceph::rbd)
  add_library(Ceph::rbd UNKNOWN IMPORTED)
  set_target_properties(Ceph::rbd PROPERTIES
    IMPORTED_LOCATION ${RBD_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${RBD_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES Ceph::rados)
endif()
mark_as_advanced(RBD_INCLUDE_DIR RBD_LIBRARY)
