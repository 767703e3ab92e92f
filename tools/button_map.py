"""Draws what every button and stick of a gamepad does, from its settings: docs/pictures/joystick.svg.

    python tools/button_map.py [--check]

config/teleop/gamepad.yaml says what the buttons do, config/teleop/layouts/ where the named ones are on a pad; joy.yaml
has the numbers of the xbox layout, which a test compares. --check: only tell whether the picture is old (exit code 1).
"""

import argparse
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config" / "teleop"
PICTURE = ROOT / "docs" / "pictures" / "joystick.svg"
LAYOUTS = ("xbox", "playstation", "generic")
WORDS = {
    "dead_man": "hold to drive: take over", "resume": "resume: give control to the policy",
    "stop": "STOP (software stop)", "reset": "in STOPPED: reset", "start": "begin an episode",
    "success": "or end it: success", "failure": "end episode: failure", "discard": "end episode and delete it",
    "rerecord": "paused: delete it, begin anew", "pause": "pause the episode, go on", "open": "open gripper",
    "close": "close gripper", "grip": "close or open gripper", "mode": "pressed: next mode (dead-man let go)",
    "faster": "faster", "slower": "slower",
}  # fmt: skip
COLOURS = {"dead_man": "#1b62c4", "resume": "#3c8d5a", "stop": "#c3272b", "reset": "#b5a327"}


@dataclass(frozen=True)
class Part:
    """Of a pad: where it is, its size, on which side its label stands and at which height."""

    x: int
    y: int
    width: int
    height: int
    side: str
    label_y: int


PARTS = {
    "left_trigger": Part(375, 66, 70, 24, "left", 40),
    "left_shoulder": Part(365, 104, 90, 22, "left", 80),
    "left_stick": Part(400, 190, 56, 56, "left", 150),
    "cross": Part(458, 258, 44, 44, "left", 300),
    "select": Part(508, 176, 28, 14, "bottom", 470),
    "guide": Part(550, 150, 26, 26, "top", 24),
    "start": Part(592, 176, 28, 14, "bottom", 470),
    "right_trigger": Part(725, 66, 70, 24, "right", 40),
    "right_shoulder": Part(735, 104, 90, 22, "right", 80),
    "north": Part(700, 152, 30, 30, "right", 120),
    "east": Part(734, 186, 30, 30, "right", 160),
    "south": Part(700, 220, 30, 30, "right", 200),
    "west": Part(666, 186, 30, 30, "right", 240),
    "right_stick": Part(642, 258, 56, 56, "right", 300),
}
OUTLINE = (
    "M390 128 C330 128 300 200 285 290 C272 370 290 420 325 420 C365 420 385 360 425 330 L675 330 "
    "C715 360 735 420 775 420 C810 420 828 370 815 290 C800 200 770 128 710 128 Z"
)
STICKS = {"left_stick": ("left_x", "left_y"), "right_stick": ("right_x", "right_y"), "cross": ("cross_x", "cross_y")}


def labels(joy: dict[str, Any]) -> dict[str, list[str]]:
    """Lines by part: what its button does, and what its axes drive in every mode."""
    lines: dict[str, list[str]] = {part: [] for part in PARTS}
    for action, part in {"dead_man": joy["dead_man"], **joy["buttons"]}.items():
        lines[part].append(WORDS[action])
    for part, (across, along) in STICKS.items():
        for mode in joy["modes"]:
            driven = {entry["axis"]: name.replace("_", " ") for name, entry in mode["axes"].items()}
            found = [
                f"{arrow} {driven[axis]}" for arrow, axis in (("\u2195", along), ("\u2194", across)) if axis in driven
            ]
            if found:
                lines[part].append(f"{mode['name']}: {', '.join(found)}")
    return {part: found for part, found in lines.items() if found}


def numbers(part: str) -> str:
    """The part's button by layout, where it has one."""
    found = []
    for layout in LAYOUTS:
        document = yaml.safe_load((CONFIG / "layouts" / f"{layout}.yaml").read_text(encoding="utf-8"))
        if part in document["buttons"]:
            found.append(f"{layout} {document['buttons'][part]}")
        elif part in document["axes"]:
            found.append(f"{layout} axis {document['axes'][part]}")
    return ", ".join(found)


def draw(joy: dict[str, Any]) -> str:
    """The picture as SVG."""
    by_part, actions = (
        labels(joy),
        {part: action for action, part in {"dead_man": joy["dead_man"], **joy["buttons"]}.items()},
    )
    shapes, texts = [], []
    for part, place in PARTS.items():
        fill = COLOURS.get(actions.get(part, ""), "#66707d" if part in by_part else "#dfe3e8")
        x, y, radius = place.x - place.width / 2, place.y - place.height / 2, min(place.width, place.height) / 2
        shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{place.width}" height="{place.height}" rx="{radius:g}" fill="{fill}"/>'
        )
        if part in by_part:
            shapes.append(_line(place))
            texts.append(_label(place, part.replace("_", " "), by_part[part], numbers(part)))
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1100 540"'
            ' font-family="DejaVu Sans, Arial, sans-serif" font-size="12" fill="#1c2430">',
            '<rect width="1100" height="540" fill="#ffffff"/>',
            f'<path d="{OUTLINE}" fill="#f3f5f8" stroke="#66707d" stroke-width="2"/>',
            *shapes,
            *texts,
            '<text x="15" y="526" fill="#66707d">Drawn by tools/button_map.py from config/teleop/gamepad.yaml; small '
            "print: the number of the button in each layout.</text>",
            "</svg>\n",
        ]
    )


def _anchor(place: Part) -> tuple[int, int]:
    """Where the line from a part ends and its label begins."""
    below = place.x + (62 if place.x > 550 else -62)
    return {
        "left": (270, place.label_y), "right": (830, place.label_y), "top": (550, place.label_y + 26),
        "bottom": (below, place.label_y - 20),
    }[place.side]  # fmt: skip


def _line(place: Part) -> str:
    x, y = _anchor(place)
    across, along = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}[place.side]
    begin = f"M{place.x + across * place.width // 2} {place.y + along * place.height // 2}"
    return f'<path d="{begin} L{x} {y}" stroke="#9aa4b0" fill="none"/>'


def _label(place: Part, name: str, lines: list[str], small: str) -> str:
    x, y = _anchor(place)
    anchor, dx, dy = {
        "left": ("end", -6, 4), "right": ("start", 6, 4), "top": ("middle", 0, -36), "bottom": ("middle", 0, 14),
    }[place.side]  # fmt: skip
    x, y = x + dx, y + dy
    spans = [f'<tspan x="{x}" y="{y + 14 * n}">{escape(line)}</tspan>' for n, line in enumerate(lines)]
    if small:
        spans.append(f'<tspan x="{x}" y="{y + 14 * len(lines)}" fill="#66707d" font-size="9">{name}: {small}</tspan>')
    return f'<text text-anchor="{anchor}">{"".join(spans)}</text>'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the picture is old")
    options = parser.parse_args()
    picture = draw(yaml.safe_load((CONFIG / "gamepad.yaml").read_text(encoding="utf-8"))["joy"])
    if options.check:
        current = PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == picture
        if not current:
            print(f"{PICTURE} is older than the settings: run python tools/button_map.py", file=sys.stderr)
        return 0 if current else 1
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"written: {PICTURE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
