# librados ships neither a pkg-config file nor a CMake package. Makes the target Ceph::rados.
find_path(RADOS_INCLUDE_DIR rados/librados.h)
find_library(RADOS_LIBRARY rados)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Rados REQUIRED_VARS RADOS_LIBRARY RADOS_INCLUDE_DIR)
if(Rados_FOUND AND NOT TARGET Ceph::rados)
  add_library(Ceph::rados UNKNOWN IMPORTED)
  set_target_properties(Ceph::rados PROPERTIES
    IMPORTED_LOCATION ${RADOS_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${RADOS_INCLUDE_DIR})
endif()
mark_as_advanced(RADOS_INCLUDE_DIR RADOS_LIBRARY)
