# The protos of CSI and Kubernetes come from the Go modules that deploy/lab/tools/go.mod pins.
find_program(GO_PROGRAM go REQUIRED)
set(BERTH_TOOLS_MODULE ${CMAKE_SOURCE_DIR}/deploy/lab/tools)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${BERTH_TOOLS_MODULE}/go.mod ${BERTH_TOOLS_MODULE}/go.sum)

# go_module_dir(<variable> <module path>): downloads the pinned version if need be; sets its folder.
function(go_module_dir variable module)
  execute_process(
    COMMAND ${GO_PROGRAM} mod download ${module}
    WORKING_DIRECTORY ${BERTH_TOOLS_MODULE} RESULT_VARIABLE failed ERROR_VARIABLE message)
  if(failed)
    message(FATAL_ERROR "Go module ${module} cannot be downloaded: ${message}")
  endif()
  execute_process(
    COMMAND ${GO_PROGRAM} list -m -f "{{.Dir}}" ${module}
    WORKING_DIRECTORY ${BERTH_TOOLS_MODULE} OUTPUT_VARIABLE dir
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} ${dir} PARENT_SCOPE)
endfunction()
