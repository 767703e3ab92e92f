// clang-format off
#include <pinocchio/fwd.hpp>  // before anything of Boost, whose lists it makes longer
// clang-format on
#include "rigid_body_system.hpp"

#include <algorithm>
#include <cmath>
#include <hardware_interface/lexical_casts.hpp>
#include <pinocchio/algorithm/aba.hpp>
#include <pinocchio/algorithm/joint-configuration.hpp>
#include <pinocchio/algorithm/model.hpp>
#include <pinocchio/parsers/urdf.hpp>
#include <pluginlib/class_list_macros.hpp>
#include <rclcpp/logging.hpp>
#include <stdexcept>

namespace bc_plugins {

namespace {

constexpr double kMaxStep = 1e-3;    // [s]
constexpr double kMaxPeriod = 0.02;  // [s] that one read() simulates: a loop that is late must not be made later by it

bool has(const std::vector<hardware_interface::InterfaceInfo>& interfaces, const char* name) {
  return std::any_of(interfaces.begin(), interfaces.end(), [name](const auto& one) { return one.name == name; });
}

double initial_position(const hardware_interface::ComponentInfo& joint) {
  for (const auto& interface : joint.state_interfaces) {
    if (interface.name == "position" && !interface.initial_value.empty()) return std::stod(interface.initial_value);
  }
  return 0.0;
}

}  // namespace

struct RigidBodySystem::Model {
  pinocchio::Model model;
  pinocchio::Data data;
  Eigen::VectorXd q, v, torque;
};

RigidBodySystem::RigidBodySystem() = default;
RigidBodySystem::~RigidBodySystem() = default;

RigidBodySystem::Callback RigidBodySystem::on_init(const hardware_interface::HardwareComponentInterfaceParams& params) {
  if (SystemInterface::on_init(params) != Callback::SUCCESS) return Callback::ERROR;
  const hardware_interface::HardwareInfo& info = get_hardware_info();
  try {
    pinocchio::Model full;
    pinocchio::urdf::buildModelFromXML(info.original_xml, full);
    std::vector<pinocchio::JointIndex> locked;
    const auto driven = [&info](const std::string& name) {
      return std::any_of(info.joints.begin(), info.joints.end(), [&name](const auto& joint) {
        return joint.name == name && has(joint.command_interfaces, "effort");
      });
    };
    for (pinocchio::JointIndex id = 1; id < static_cast<pinocchio::JointIndex>(full.njoints); ++id) {
      if (!driven(full.names[id])) locked.push_back(id);
    }
    model_ = std::make_unique<Model>();
    model_->model = pinocchio::buildReducedModel(full, locked, pinocchio::neutral(full));
    const auto armature = info.hardware_parameters.find("armature");
    if (armature != info.hardware_parameters.end()) model_->model.armature.setConstant(std::stod(armature->second));
    const auto compensates = info.hardware_parameters.find("compensates_gravity");
    if (compensates != info.hardware_parameters.end() && hardware_interface::parse_bool(compensates->second)) {
      model_->model.gravity.setZero();  // moves as an arm whose weight is held
    }
    model_->data = pinocchio::Data(model_->model);
    model_->q = pinocchio::neutral(model_->model);
    model_->v = model_->torque = Eigen::VectorXd::Zero(model_->model.nv);
    for (const hardware_interface::ComponentInfo& joint : info.joints) {
      joints_.push_back({joint.name, Drive::kBraked, initial_position(joint)});
      if (!driven(joint.name)) continue;
      if (!model_->model.existJointName(joint.name))
        throw std::invalid_argument("joint '" + joint.name + "' is missing");
      joints_.back().index = static_cast<int>(model_->model.joints[model_->model.getJointId(joint.name)].idx_v());
    }
  } catch (const std::exception& error) {
    RCLCPP_ERROR(get_logger(), "the robot description makes no rigid-body model: %s", error.what());
    return Callback::ERROR;
  }
  return Callback::SUCCESS;
}

RigidBodySystem::Callback RigidBodySystem::on_activate(const rclcpp_lifecycle::State&) {
  for (Joint& joint : joints_) joint.drive = Drive::kBraked, joint.velocity = 0.0;
  return Callback::SUCCESS;
}

// Interfaces that stop brake their joints, those that start release them: torque from nil, positions from where it is.
RigidBodySystem::Return RigidBodySystem::perform_command_mode_switch(const std::vector<std::string>& start,
                                                                     const std::vector<std::string>& stop) {
  const auto holds = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (Joint& joint : joints_) {
    const std::string effort = joint.name + "/effort", position = joint.name + "/position";
    if (holds(stop, effort) || holds(stop, position)) joint.drive = Drive::kBraked, joint.velocity = 0.0;
    if (holds(start, effort)) joint.drive = Drive::kEffort, joint.command = 0.0;
    if (holds(start, position)) joint.drive = Drive::kPosition, joint.command = joint.position;
    if (joint.drive == Drive::kPosition) set_command(position, joint.command);
    if (joint.drive == Drive::kEffort) set_command(effort, joint.command);
  }
  return Return::OK;
}

RigidBodySystem::Return RigidBodySystem::read(const rclcpp::Time&, const rclcpp::Duration& period) {
  const double seconds = std::min(period.seconds(), kMaxPeriod);
  const int steps = std::max(1, static_cast<int>(std::ceil(seconds / kMaxStep - 1e-6)));
  for (int i = 0; i < steps; ++i) step(seconds / steps);
  for (const hardware_interface::MimicJoint& mimic : get_hardware_info().mimic_joints) {
    Joint& joint = joints_[mimic.joint_index];
    joint.position = mimic.multiplier * joints_[mimic.mimicked_joint_index].position + mimic.offset;
    joint.velocity = mimic.multiplier * joints_[mimic.mimicked_joint_index].velocity;
  }
  for (const Joint& joint : joints_) {
    set_state(joint.name + "/position", joint.position);
    if (has_state(joint.name + "/velocity")) set_state(joint.name + "/velocity", joint.velocity);
    if (has_state(joint.name + "/effort")) set_state(joint.name + "/effort", joint.index >= 0 ? joint.command : 0.0);
  }
  return Return::OK;
}

void RigidBodySystem::step(double seconds) {
  Model& in = *model_;
  for (const Joint& joint : joints_) {
    if (joint.index < 0) continue;
    const bool free = joint.drive == Drive::kEffort;
    in.q[joint.index] = joint.position;
    in.v[joint.index] = free ? joint.velocity : 0.0;
    in.torque[joint.index] = free ? joint.command - in.model.damping[joint.index] * joint.velocity : 0.0;
  }
  pinocchio::aba(in.model, in.data, in.q, in.v, in.torque);
  for (Joint& joint : joints_) {
    if (joint.drive == Drive::kPosition && std::isfinite(joint.command)) {
      joint.velocity = seconds > 0.0 ? (joint.command - joint.position) / seconds : 0.0;
    } else if (joint.drive == Drive::kEffort && joint.index >= 0) {
      joint.velocity += seconds * in.data.ddq[joint.index];
    } else {
      joint.velocity = 0.0;
    }
    joint.position += seconds * joint.velocity;
  }
}

RigidBodySystem::Return RigidBodySystem::write(const rclcpp::Time&, const rclcpp::Duration&) {
  for (Joint& joint : joints_) {
    if (joint.drive == Drive::kEffort) joint.command = get_command(joint.name + "/effort");
    if (joint.drive == Drive::kPosition) joint.command = get_command(joint.name + "/position");
    if (joint.drive == Drive::kEffort && !std::isfinite(joint.command)) joint.command = 0.0;
  }
  return Return::OK;
}

}  // namespace bc_plugins

PLUGINLIB_EXPORT_CLASS(bc_plugins::RigidBodySystem, hardware_interface::SystemInterface)
