#!/usr/bin/env bash
# Strict types: the core in full, the other packages by their own imports (generated messages and rclpy are untyped).
set -euo pipefail
cd "$(dirname "$0")/.."
for package in src/*/; do
  name=$(basename "$package")
  [ -f "$package$name/__init__.py" ] || continue
  (cd "$package" && MYPYPATH=$(printf '../%s:' bc_core bc_nodes bc_controllers bc_sim bc_teleop bc_policy_node bc_planner bc_bringup) \
    mypy --config-file ../../pyproject.toml --no-error-summary -p "$name")
done
MYPYPATH=src/bc_core mypy --config-file pyproject.toml --no-error-summary -p benchmarks
