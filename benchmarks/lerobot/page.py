"""The section of docs/benchmarks/policies.md that compares imported policies with LeRobot's own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "policies.md"
BEGIN, END = "<!-- benchmarks.lerobot -->", "<!-- end of benchmarks.lerobot -->"


def section(document: Mapping[str, Any]) -> str:
    busiest = max(row["load"] for row in document["cases"].values())
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return (
        environment.get_template("section.md.jinja").render(document=document, busiest=busiest, begin=BEGIN, end=END)
        + "\n"
    )


def kept() -> str:
    """The section as published, with its marks; empty: there is none."""
    found = re.search(f"{BEGIN}.*?{END}\n?", PAGE.read_text(encoding="utf-8"), re.DOTALL) if PAGE.exists() else None
    return found.group(0) if found else ""


def publish(document: Mapping[str, Any]) -> None:
    text, before, new = PAGE.read_text(encoding="utf-8"), kept(), section(document)
    PAGE.write_text(text.replace(before, new) if before else f"{text.rstrip()}\n\n{new}", encoding="utf-8")
