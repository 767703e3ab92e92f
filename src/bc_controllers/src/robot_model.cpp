#include "bc_controllers/robot_model.hpp"

#include <algorithm>
#include <fstream>
#include <pinocchio/algorithm/crba.hpp>
#include <pinocchio/algorithm/frames.hpp>
#include <pinocchio/algorithm/jacobian.hpp>
#include <pinocchio/algorithm/joint-configuration.hpp>
#include <pinocchio/algorithm/kinematics.hpp>
#include <pinocchio/algorithm/model.hpp>
#include <pinocchio/algorithm/rnea.hpp>
#include <pinocchio/parsers/urdf.hpp>
#include <utility>

#include "bc_controllers/config.hpp"
#include "linear.hpp"
#include "rotation.hpp"

namespace bc {

struct RobotModel::Impl {
  pinocchio::Model model;
  pinocchio::Data dynamics;    // the control loop's
  pinocchio::Data kinematics;  // the viewers'
  Eigen::VectorXd q, v, a, torque, viewed;
  pinocchio::Data::Matrix6x jacobian;
  std::vector<Eigen::Index> index;  // of each controlled joint in the model's vectors
  pinocchio::FrameIndex tcp = 0;
  pinocchio::SE3 base;     // in the model's world
  pinocchio::Inertia own;  // of the link that carries the tool, payload aside
  pinocchio::JointIndex carrier = 0;

  void read(const double* from, Eigen::VectorXd& into) const {
    for (std::size_t i = 0; i < index.size(); ++i) into[index[i]] = from[i];
  }
  void write(const Eigen::VectorXd& from, double* into) const {
    for (std::size_t i = 0; i < index.size(); ++i) into[i] = from[index[i]];
  }
};

namespace {

pinocchio::Model read_urdf(const std::string& urdf) {
  const bool is_text = !urdf.empty() && urdf.front() == '<';
  const std::string which = is_text ? "the URDF" : "URDF '" + urdf + "'";
  if (!is_text && !std::ifstream(urdf)) throw ConfigError(which + " cannot be read: correct its path");
  pinocchio::Model model;
  try {
    if (is_text) {
      pinocchio::urdf::buildModelFromXML(urdf, model);
    } else {
      pinocchio::urdf::buildModel(urdf, model);
    }
  } catch (const std::exception& error) {
    throw ConfigError(which + " is not a robot description: " + error.what());
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
                       const std::string& base_frame, const std::string& tcp_frame, const std::vector<double>& armature)
    : impl_(std::make_unique<Impl>()) {
  impl_->model = reduced(read_urdf(urdf), joint_names);
  pinocchio::Model& model = impl_->model;
  const pinocchio::FrameIndex base = frame(model, base_frame);
  if (model.frames[base].parentJoint != 0) {
    throw ConfigError("base_frame '" + base_frame + "' is moved by the joints: name a link before the first of them");
  }
  impl_->base = model.frames[base].placement;
  impl_->tcp = frame(model, tcp_frame);
  impl_->carrier = model.frames[impl_->tcp].parentJoint;
  if (impl_->carrier == 0) {
    throw ConfigError("tcp_frame '" + tcp_frame + "' is not moved by the joints: name a link of the tool");
  }
  for (std::size_t i = 0; i < joint_names.size(); ++i) {
    const Eigen::Index index = model.joints[model.getJointId(joint_names[i])].idx_v();
    impl_->index.push_back(index);
    position_lower_.push_back(model.lowerPositionLimit[index]);
    position_upper_.push_back(model.upperPositionLimit[index]);
    velocity_.push_back(model.velocityLimit[index]);
    effort_.push_back(model.effortLimit[index]);
    model.armature[index] = armature.empty() ? 0.0 : armature[i];
  }
  impl_->own = model.inertias[impl_->carrier];
  impl_->dynamics = pinocchio::Data(model);
  impl_->kinematics = pinocchio::Data(model);
  impl_->q = impl_->viewed = pinocchio::neutral(model);
  impl_->v = impl_->a = impl_->torque = Eigen::VectorXd::Zero(model.nv);
  impl_->jacobian = pinocchio::Data::Matrix6x::Zero(6, model.nv);
}

RobotModel::~RobotModel() = default;

void RobotModel::compensation(const double* position, const double* velocity, bool gravity, bool coriolis,
                              JointVector& torque) {
  torque.fill(0.0);
  if (!gravity && !coriolis) return;
  Impl& in = *impl_;
  in.read(position, in.q);
  in.v.setZero();
  if (coriolis) in.read(velocity, in.v);
  in.torque = pinocchio::nonLinearEffects(in.model, in.dynamics, in.q, in.v);
  if (!gravity) in.torque -= pinocchio::computeGeneralizedGravity(in.model, in.dynamics, in.q);
  in.write(in.torque, torque.data());
}

void RobotModel::inertia(const double* position, const double* acceleration, JointVector& torque) {
  Impl& in = *impl_;
  in.read(position, in.q);
  in.read(acceleration, in.a);
  pinocchio::crba(in.model, in.dynamics, in.q);
  in.torque.noalias() = in.dynamics.M.selfadjointView<Eigen::Upper>() * in.a;
  in.write(in.torque, torque.data());
}

void RobotModel::mass_matrix(const double* position, double* matrix) {
  Impl& in = *impl_;
  in.read(position, in.q);
  const auto& upper = pinocchio::crba(in.model, in.dynamics, in.q);
  const std::size_t joints = in.index.size();
  for (std::size_t row = 0; row < joints; ++row) {
    for (std::size_t column = 0; column < joints; ++column) {
      const auto [first, last] = std::minmax(in.index[row], in.index[column]);
      matrix[row * joints + column] = upper(first, last);
    }
  }
}

void RobotModel::kinematics(const double* position, Kinematics& kinematics) {
  Impl& in = *impl_;
  in.read(position, in.q);
  pinocchio::computeJointJacobians(in.model, in.dynamics, in.q);
  const pinocchio::SE3 pose = in.base.actInv(pinocchio::updateFramePlacement(in.model, in.dynamics, in.tcp));
  as_vector(kinematics.pose.position) = pose.translation();
  as_rotation(kinematics.pose) = Eigen::Quaterniond(pose.rotation());
  pinocchio::getFrameJacobian(in.model, in.dynamics, in.tcp, pinocchio::LOCAL_WORLD_ALIGNED, in.jacobian);
  const Eigen::Matrix3d turn = in.base.rotation().transpose();
  kinematics.jacobian.resize(6, static_cast<Eigen::Index>(in.index.size()));
  for (std::size_t i = 0; i < in.index.size(); ++i) {
    kinematics.jacobian.col(static_cast<Eigen::Index>(i)) << turn * in.jacobian.col(in.index[i]).head<3>(),
        turn * in.jacobian.col(in.index[i]).tail<3>();
  }
}

void RobotModel::set_payload(double mass, const Vector3& center) {
  Impl& in = *impl_;
  const pinocchio::SE3& tool = in.model.frames[in.tcp].placement;
  const pinocchio::Inertia load(mass, as_vector(center), pinocchio::Symmetric3::Zero());
  in.model.inertias[in.carrier] = mass > 0.0 ? in.own + tool.act(load) : in.own;
}

std::array<double, 7> RobotModel::tcp(const double* position) {
  Impl& in = *impl_;
  in.read(position, in.viewed);
  pinocchio::forwardKinematics(in.model, in.kinematics, in.viewed);
  const pinocchio::SE3 pose = in.base.actInv(pinocchio::updateFramePlacement(in.model, in.kinematics, in.tcp));
  const Eigen::Quaterniond rotation(pose.rotation());
  const Eigen::Vector3d& place = pose.translation();
  return {place.x(), place.y(), place.z(), rotation.x(), rotation.y(), rotation.z(), rotation.w()};
}

}  // namespace bc
