#include "bc_controllers/robot_model.hpp"

#include <algorithm>
#include <fstream>
#include <pinocchio/algorithm/frames.hpp>
#include <pinocchio/algorithm/joint-configuration.hpp>
#include <pinocchio/algorithm/kinematics.hpp>
#include <pinocchio/algorithm/model.hpp>
#include <pinocchio/algorithm/rnea.hpp>
#include <pinocchio/parsers/urdf.hpp>
#include <utility>

#include "bc_controllers/config.hpp"

namespace bc {

struct RobotModel::Impl {
  pinocchio::Model model;
  pinocchio::Data dynamics;    // the control loop's
  pinocchio::Data kinematics;  // the viewers'
  Eigen::VectorXd q, v, torque, viewed;
  std::vector<Eigen::Index> index;  // of each controlled joint in the model's vectors
  pinocchio::FrameIndex base = 0, tcp = 0;
};

namespace {

pinocchio::Model read_urdf(const std::string& urdf) {
  const bool is_text = urdf.find('<') != std::string::npos;
  if (!is_text && !std::ifstream(urdf))
    throw ConfigError("URDF '" + urdf + "' cannot be read: correct the robot file's description");
  pinocchio::Model model;
  try {
    is_text ? pinocchio::urdf::buildModelFromXML(urdf, model) : pinocchio::urdf::buildModel(urdf, model);
  } catch (const std::exception& error) {
    throw ConfigError("URDF " + (is_text ? std::string("given as text") : "'" + urdf + "'") +
                      " is not a robot description: " + error.what());
  }
  return model;
}

template <typename Names>
std::string listed(const Names& names, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < names.size(); ++i) text += (text.empty() ? "" : ", ") + names[i];
  return text;
}

// The model with every joint locked that is not controlled.
pinocchio::Model reduced(const pinocchio::Model& full, const std::vector<std::string>& joint_names) {
  for (const std::string& name : joint_names) {
    if (!full.existJointName(name)) {
      throw ConfigError("joint '" + name + "' is not in the URDF: it has " + listed(full.names, 1));
    }
    const auto& joint = full.joints[full.getJointId(name)];
    if (joint.nq() != 1 || joint.nv() != 1) {
      throw ConfigError("joint '" + name + "' is not a revolute or prismatic joint with limits: control another");
    }
  }
  std::vector<pinocchio::JointIndex> locked;
  for (pinocchio::JointIndex id = 1; id < static_cast<pinocchio::JointIndex>(full.njoints); ++id) {
    if (std::find(joint_names.begin(), joint_names.end(), full.names[id]) == joint_names.end()) locked.push_back(id);
  }
  return pinocchio::buildReducedModel(full, locked, pinocchio::neutral(full));
}

pinocchio::FrameIndex frame(const pinocchio::Model& model, const std::string& name) {
  if (!model.existFrame(name)) {
    std::vector<std::string> names;
    for (const auto& known : model.frames) {
      if (known.type == pinocchio::BODY) names.push_back(known.name);
    }
    throw ConfigError("frame '" + name + "' is not in the URDF: it has " + listed(names, 0));
  }
  return model.getFrameId(name);
}

}  // namespace

RobotModel::RobotModel(const std::string& urdf, const std::vector<std::string>& joint_names,
                       const std::string& base_frame, const std::string& tcp_frame)
    : impl_(std::make_unique<Impl>()) {
  impl_->model = reduced(read_urdf(urdf), joint_names);
  const pinocchio::Model& model = impl_->model;
  impl_->dynamics = pinocchio::Data(model);
  impl_->kinematics = pinocchio::Data(model);
  impl_->q = impl_->viewed = pinocchio::neutral(model);
  impl_->v = impl_->torque = Eigen::VectorXd::Zero(model.nv);
  impl_->base = frame(model, base_frame);
  impl_->tcp = frame(model, tcp_frame);
  for (const std::string& name : joint_names) {
    const Eigen::Index index = model.joints[model.getJointId(name)].idx_v();
    impl_->index.push_back(index);
    position_lower_.push_back(model.lowerPositionLimit[index]);
    position_upper_.push_back(model.upperPositionLimit[index]);
    velocity_.push_back(model.velocityLimit[index]);
    effort_.push_back(model.effortLimit[index]);
  }
}

RobotModel::~RobotModel() = default;

void RobotModel::compensation(const double* position, const double* velocity, bool gravity, bool coriolis,
                              JointVector& torque) {
  torque.fill(0.0);
  if (!gravity && !coriolis) return;
  Impl& in = *impl_;
  for (std::size_t i = 0; i < in.index.size(); ++i) {
    in.q[in.index[i]] = position[i];
    in.v[in.index[i]] = coriolis ? velocity[i] : 0.0;
  }
  in.torque = pinocchio::nonLinearEffects(in.model, in.dynamics, in.q, in.v);
  if (!gravity) in.torque -= pinocchio::computeGeneralizedGravity(in.model, in.dynamics, in.q);
  for (std::size_t i = 0; i < in.index.size(); ++i) torque[i] = in.torque[in.index[i]];
}

std::array<double, 7> RobotModel::tcp(const double* position) {
  Impl& in = *impl_;
  for (std::size_t i = 0; i < in.index.size(); ++i) in.viewed[in.index[i]] = position[i];
  pinocchio::forwardKinematics(in.model, in.kinematics, in.viewed);
  const pinocchio::SE3 base = pinocchio::updateFramePlacement(in.model, in.kinematics, in.base);
  const pinocchio::SE3 pose = base.actInv(pinocchio::updateFramePlacement(in.model, in.kinematics, in.tcp));
  const Eigen::Quaterniond rotation(pose.rotation());
  const Eigen::Vector3d& place = pose.translation();
  return {place.x(), place.y(), place.z(), rotation.x(), rotation.y(), rotation.z(), rotation.w()};
}

}  // namespace bc
