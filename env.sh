# Source me: the environment in which bc_ros runs, over a sourced ROS 2 or over the wheels in .venv.
#   . ./env.sh
_bc_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)
_bc_venv=$_bc_root/.venv
case ":$PATH:" in *":$_bc_venv/bin:"*) ;; *) export PATH="$_bc_venv/bin:$PATH" ;; esac
_bc_site=$(echo "$_bc_venv"/lib/python3.*/site-packages)
if [ -d "$_bc_site/rclpy" ]; then # ROS 2 from wheels: their shared libraries lie in lib/ and in *.libs
  _bc_libs=$_bc_venv/lib$(printf ':%s' "$_bc_site"/ros_*.libs)
  export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
  export LD_LIBRARY_PATH="$_bc_libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export AMENT_PREFIX_PATH="$_bc_venv" CMAKE_PREFIX_PATH="$_bc_venv:$_bc_site/cmeel.prefix"
  export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3 RMW_IMPLEMENTATION=rmw_fastrtps_cpp
else
  export CMAKE_PREFIX_PATH="$_bc_site/cmeel.prefix${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
fi
if [ -f "$_bc_root/install/local_setup.sh" ] && [ -z "${BC_UNDERLAY_ONLY:-}" ]; then
  case $- in *u*) _bc_nounset=1 && set +u ;; *) _bc_nounset= ;; esac # colcon's scripts read unset variables
  COLCON_CURRENT_PREFIX="$_bc_root/install" . "$_bc_root/install/local_setup.sh"
  [ -z "$_bc_nounset" ] || set -u
fi
unset _bc_root _bc_venv _bc_site _bc_libs _bc_nounset
