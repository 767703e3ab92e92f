#!/usr/bin/env bash
# Installs what is missing into the checkout: .venv (Python packages; ROS 2 Jazzy from wheels unless one is sourced),
# Debian packages through apt when root (otherwise it prints the command), then builds the workspace with colcon.
#   tools/setup.sh
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
die() { printf '[setup] error: %s\n' "$*" >&2; exit 1; }

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' ||
  die "$("$python" --version) found, but Python 3.11 (wheels) or 3.12 (ROS 2 Jazzy on Ubuntu 24.04) is needed: set PYTHON"

missing=()
[ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || missing+=(python3-dev)
"$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
for tool in g++ cmake make git; do command -v "$tool" >/dev/null || missing+=("$tool"); done
libraries=$(/sbin/ldconfig -p 2>/dev/null || ldconfig -p)
case "$libraries" in *libEGL.so.1*) ;; *) missing+=(libegl1) ;; esac
case "$libraries" in *libEGL_mesa.so.0* | *libEGL_nvidia.so.0*) ;; *) missing+=(libegl-mesa0 libgl1-mesa-dri) ;; esac
case "$libraries" in *libGL.so.1*) ;; *) missing+=(libgl1) ;; esac
case "$libraries" in *libgomp.so.1*) ;; *) missing+=(libgomp1) ;; esac
if [ ${#missing[@]} -gt 0 ]; then
  command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "$command"
    (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}") \
      > /tmp/bc_ros_apt.log 2>&1 || { tail -5 /tmp/bc_ros_apt.log >&2; die "apt-get failed, see /tmp/bc_ros_apt.log"; }
  else
    die "these Debian packages are missing: run 'sudo sh -c \"$command\"' and try again"
  fi
fi

ros_sourced() { [ -n "${ROS_DISTRO:-}" ] && "$python" -c 'import rclpy' 2>/dev/null; }
if ros_sourced; then
  requirements=(requirements/runtime.txt requirements/heads.txt requirements/extras.txt requirements/dev.txt)
  venv_options=(--system-site-packages)
else
  requirements=(requirements/ros-jazzy.txt requirements/runtime.txt requirements/heads.txt requirements/extras.txt requirements/dev.txt)
  venv_options=()
fi
stamp=.venv/.requirements
wanted=$(cat "${requirements[@]}" tools/patch_ros_wheels.py | cksum)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
  say "Python packages into .venv (a few minutes the first time)"
  [ -x .venv/bin/python ] || "$python" -m venv ${venv_options[@]+"${venv_options[@]}"} .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check $(printf -- '-r %s ' "${requirements[@]}") \
    2> >(grep -v 'WARNING: Location' >&2)
  touch .venv/COLCON_IGNORE
  ros_sourced || _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 .venv/bin/python tools/patch_ros_wheels.py
  echo "$wanted" > $stamp
fi

BC_UNDERLAY_ONLY=1 . ./env.sh
say "colcon build"
mkdir -p log
if ! colcon --log-base log build --symlink-install --executor sequential --event-handlers console_cohesion- status- \
    --metas colcon.meta --cmake-args "-DPython3_EXECUTABLE=$PWD/.venv/bin/python" \
    "-DPYTHON_EXECUTABLE=$PWD/.venv/bin/python" > log/colcon.txt 2>&1; then
  tail -40 log/colcon.txt >&2
  die "colcon build failed: the whole output is in log/colcon.txt"
fi
grep -E '^Summary' log/colcon.txt || true
[ -e install/bc_controllers/lib/libbc_controllers_plugins.so ] ||
  say "ros2_control is not there (controller_interface): bc_controllers was built WITHOUT its ros2_control plugins"
