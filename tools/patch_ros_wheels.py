"""Rewrite paths of the build host in the CMake exports of the ROS 2 wheels to those of this interpreter.

The wheels' `share/*/cmake/export_*__rosidl_generator_pyExport.cmake` name the Python and NumPy include folders of the
machine that built them; every package that depends on such an interface fails to configure until they are rewritten.
Usage: python tools/patch_ros_wheels.py   (in the environment that holds the wheels; idempotent)
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy

BUILD_HOST = re.compile(r"/opt/python/cp\d+-cp\d+(?P<rest>/[^\";>)]*)")


def local_path(match: re.Match[str]) -> str:
    """Map one include folder of the build host to this interpreter's."""
    rest = match["rest"]
    if rest.endswith("numpy/_core/include"):
        return numpy.get_include()
    if re.fullmatch(r"/include/python\d\.\d+", rest):
        return sysconfig.get_path("include")
    raise SystemExit(f"{match[0]}: a path of the wheels' build host that has no known counterpart here")


def main() -> int:
    changed = 0
    for export in Path(sys.prefix, "share").glob("*/cmake/*.cmake"):
        text = export.read_text()
        patched = BUILD_HOST.sub(local_path, text)
        if patched != text:
            export.write_text(patched)
            changed += 1
    print(f"patched {changed} CMake exports")
    return 0


if __name__ == "__main__":
    sys.exit(main())
