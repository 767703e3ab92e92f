"""A pre-training run as one HTML file that needs nothing else: its summary.html."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bc_core.evaluation.plots import curve_plot
from bc_core.images import data_uri
from bc_core.pretraining.config import AutoencoderConfig, MaeConfig, VaeConfig
from bc_core.pretraining.images import Images
from bc_core.report.style import BAND, MODE_COLOURS, as_svg, plot
from bc_core.report.templates import page_environment
from bc_core.training.curves import Curves

_BLUE, _ORANGE = MODE_COLOURS["rtc"], MODE_COLOURS["naive"]
_KINDS: dict[type[AutoencoderConfig], str] = {
    MaeConfig: "masked auto-encoder",
    VaeConfig: "variational auto-encoder",
}


def render_page(
    title: str,
    summary: Mapping[str, Any],
    model: AutoencoderConfig,
    curves: Curves,
    rows: Sequence[Images],
    seen: Sequence[Images],
    held_out: Sequence[Images],
) -> str:
    """summary: that of bc_core.pretraining.pretrain. rows: Autoencoder.shown, each a strip (size, n * size, 3) RGB.
    seen, held_out: pictures (n, size, size, 3) of the episodes that were trained on, and of the others."""
    facts = {
        "episodes": summary["episodes"],
        "pictures trained on": summary["images"],
        "pictures kept out": sum(map(len, held_out)),
        "steps": summary["steps"],
        "loss, last tenth": f"{summary['train_loss']:.4g}",
    }
    if summary["validation_loss"] is not None:
        facts["loss, held out"] = f"{summary['validation_loss']:.4g}"
    facts["parameters, with the decoder's"] = f"{summary['parameters']:,}"
    facts["pre-training"] = f"{summary['seconds']:.0f} s"
    if summary["unread_images"]:
        facts["pictures that could not be read"] = summary["unread_images"]
    captions = ["pictures", *["what is not hidden of them"] * (len(rows) - 2), "what is made of it"]
    kept_out = "that were kept out of training" if held_out else "that were trained on (none was kept out)"
    return (
        page_environment("bc_core.pretraining")
        .get_template("page.html.j2")
        .render(
            title=title,
            kind=_KINDS[type(model)],
            facts=facts,
            curves=curve_plot(curves),
            shown=f"Of pictures {kept_out}, at the size that the encoder sees.",
            rows=[(caption, data_uri(row, "rgb8")) for caption, row in zip(captions, rows, strict=True)],
            pictures=picture_plot(seen, held_out),
            settings=summary["settings"],
        )
    )


def picture_plot(seen: Sequence[Images], held_out: Sequence[Images]) -> str:
    """How many pictures every episode gives, and how bright they are [0, 1]: a camera that was covered, or another
    light, stands out."""
    with plot(11, 2.6, 1, 2) as (figure, (counts, brightness)):
        for first, episodes, colour, label in (
            (0, seen, _BLUE, "trained on"),
            (len(seen), held_out, _ORANGE, "kept out"),
        ):
            if not episodes:
                continue
            index = first + np.arange(len(episodes))
            counts.bar(index, list(map(len, episodes)), width=1.0, color=colour, label=label)
            values = [images.mean(axis=(1, 2, 3)) / 255.0 for images in episodes]
            low, mean, high = ([how(value) for value in values] for how in (np.min, np.mean, np.max))
            brightness.vlines(index, low, high, color=BAND, linewidth=3)
            brightness.plot(index, mean, "o", markersize=3, color=colour, label=label)
        counts.set(xlabel="episode", ylabel="pictures", title="Pictures")
        brightness.set(xlabel="episode", ylabel="brightness", ylim=(0.0, 1.0), title="Brightness")
        brightness.legend(loc="lower right")
        return as_svg(figure)
