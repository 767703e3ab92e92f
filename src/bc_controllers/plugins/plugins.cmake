# ros2_control plugins: shells around the library. Built where ros2_control is found.
set(PLUGIN_DEPENDENCIES bc_msgs control_msgs controller_interface generate_parameter_library geometry_msgs
  hardware_interface pluginlib rclcpp rclcpp_action rclcpp_lifecycle)
foreach(dependency IN LISTS PLUGIN_DEPENDENCIES)
  find_package(${dependency} REQUIRED)
endforeach()

generate_parameter_library(chunk_controller_parameters plugins/parameters.yaml)
add_library(${PROJECT_NAME}_plugins SHARED
  plugins/chunk_controller.cpp
  plugins/configuration.cpp
  plugins/controllers.cpp
  plugins/goal.cpp
  plugins/link.cpp
  plugins/live_parameters.cpp
  plugins/messages.cpp
  plugins/rigid_body_system.cpp
  plugins/trajectory_action.cpp)
target_link_libraries(${PROJECT_NAME}_plugins PRIVATE ${PROJECT_NAME} chunk_controller_parameters
  controller_interface::controller_interface hardware_interface::hardware_interface pinocchio::pinocchio_default
  pinocchio::pinocchio_parsers pluginlib::pluginlib rclcpp::rclcpp rclcpp_action::rclcpp_action
  rclcpp_lifecycle::rclcpp_lifecycle ${bc_msgs_TARGETS} ${control_msgs_TARGETS}
  ${geometry_msgs_TARGETS})
set_target_properties(${PROJECT_NAME}_plugins PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON INSTALL_RPATH "$ORIGIN")
install(TARGETS ${PROJECT_NAME}_plugins LIBRARY DESTINATION lib)
pluginlib_export_plugin_description_file(controller_interface plugins/controllers.xml)
pluginlib_export_plugin_description_file(hardware_interface plugins/hardware.xml)

if(BUILD_TESTING)
  add_executable(plugin_benchmark test/ros2_control/plugin_benchmark.cpp)
  target_include_directories(plugin_benchmark PRIVATE include)
  target_link_libraries(plugin_benchmark PRIVATE controller_interface::controller_interface
    hardware_interface::hardware_interface pluginlib::pluginlib rclcpp::rclcpp ${bc_msgs_TARGETS})
  set_target_properties(plugin_benchmark PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS plugin_benchmark DESTINATION lib/${PROJECT_NAME})
  find_package(controller_manager QUIET)
  if(controller_manager_FOUND)
    add_executable(manager_benchmark test/ros2_control/manager_benchmark.cpp)
    target_include_directories(manager_benchmark PRIVATE include)
    target_link_libraries(manager_benchmark PRIVATE controller_manager::controller_manager rclcpp::rclcpp
      ${bc_msgs_TARGETS})
    set_target_properties(manager_benchmark PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    install(TARGETS manager_benchmark DESTINATION lib/${PROJECT_NAME})
  endif()
endif()
