# libunbound's .pc asks for libevent's, which Debian's libunbound-dev neither needs nor depends on. Makes the target
# Unbound::unbound.
find_path(UNBOUND_INCLUDE_DIR unbound.h)
find_library(UNBOUND_LIBRARY unbound)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Unbound REQUIRED_VARS UNBOUND_LIBRARY UNBOUND_INCLUDE_DIR)
if(Unbound_FOUND AND NOT TARGET Unbound::unbound)
  add_library(Unbound::unbound UNKNOWN IMPORTED)
  set_target_properties(Unbound::unbound PROPERTIES
    IMPORTED_LOCATION ${UNBOUND_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${UNBOUND_INCLUDE_DIR})
endif()
mark_as_advanced(UNBOUND_INCLUDE_DIR UNBOUND_LIBRARY)
