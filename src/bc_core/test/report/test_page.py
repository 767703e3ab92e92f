"""report.html: one file, with videos that play at the pace of the recording."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from bc_core.report.figures import figures
from bc_core.report.page import exhibit_seed, explained_figures, render_page
from bc_core.report.recording import read_recording
from bc_core.report.trials import Demonstrations, Rollouts, Trial, load_demonstrations
from bc_core.report.video import Footage, camera_of, encode_mp4, read_footage


@pytest.fixture(scope="module")
def report(run: Any, rollouts: Rollouts) -> dict[str, Any]:
    return figures(rollouts, load_demonstrations(run.root), 61.5, "0" * 40)


class Elements(HTMLParser):
    """Collects sources and text, and checks that every element is closed in order."""

    EMPTY = ("meta", "img", "br", "link", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)
        self.sources += [(tag, value or "") for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element closed at once, as in SVG."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def rendered(report: dict[str, Any], rollouts: Rollouts) -> str:
    return render_page(report, rollouts)


def test_page_stands_alone_and_shows_every_part(report: dict[str, Any], rendered: str) -> None:
    page = Elements(rendered)
    assert page.open == []
    assert all(source.startswith("data:") for _, source in page.sources)
    kinds = [source.partition(";")[0] for _, source in page.sources]
    assert kinds.count("data:video/mp4") == 4
    assert kinds.count("data:image/svg+xml") == 4
    for heading in ("Success", "To reach", "Chunks over each other", "Delay", "Tracking and torque", "Control loop"):
        assert heading in page.text
    for _, lines, text in explained_figures(report):
        assert text in page.text
        assert all(line in page.text for _, values in lines for line in values)


def plots(page: str) -> list[str]:
    return re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)


def test_plots_are_well_formed_drawings(rendered: str) -> None:
    for plot in plots(rendered):
        drawing = ElementTree.fromstring(base64.b64decode(plot))
        assert len(list(drawing.iter("{http://www.w3.org/2000/svg}path"))) > 20


def test_text_from_bags_is_escaped_and_plots_are_repeatable(
    report: dict[str, Any], rollouts: Rollouts, rendered: str
) -> None:
    page = render_page(report | {"notes": ["<script>alert(1)</script>"]}, rollouts)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert plots(page) == plots(rendered)


def test_exhibit_is_where_rtc_wins_else_the_first_pair(rollouts: Rollouts) -> None:
    def outcomes(mode: str, *results: bool) -> tuple[Any, ...]:
        model = rollouts.trials[mode]
        return tuple(type(trial)(**(vars(trial) | {"success": s})) for trial, s in zip(model, results, strict=True))

    won = {"rtc": outcomes("rtc", False, True, True), "naive": outcomes("naive", False, True, False)}
    lost = {"rtc": outcomes("rtc", False, True, False), "naive": outcomes("naive", False, True, True)}
    absent: dict[str, tuple[Any, ...]] = {"no_delay": (), "sync": ()}
    assert exhibit_seed(Rollouts(won | absent, ()))[0] == 2
    assert exhibit_seed(Rollouts(lost | absent, ()))[0] == 0


def test_video_keeps_every_frame_its_time_and_its_colours(rollouts: Rollouts) -> None:
    trial = rollouts.trials["rtc"][0]
    camera = camera_of(trial.contract)
    assert camera is not None
    footage = read_footage(trial.path, camera)
    with av.open(BytesIO(encode_mp4(footage))) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        frames = list(container.decode(video=0))
    assert len(frames) == len(footage.images) > 30
    times = (np.array(footage.stamps_ns) - footage.stamps_ns[0]) * 1e-9
    assert np.array([frame.time for frame in frames]) == pytest.approx(times, abs=2e-3)
    shown = frames[20].to_ndarray(format="rgb24")[::4, ::4]
    assert shown.shape == footage.images[20].shape
    assert np.abs(shown.astype(int) - footage.images[20]).mean() < 6


def test_no_image_makes_no_video(rollouts: Rollouts) -> None:
    camera = camera_of(rollouts.trials["rtc"][0].contract)
    assert camera is not None
    with pytest.raises(ValueError, match="no image of camera 'camera'"):
        encode_mp4(Footage(camera, (), ()))


def test_trials_in_which_nothing_moved_still_make_a_page(rollouts: Rollouts) -> None:
    def idle(trial: Trial) -> Trial:
        none = read_recording([], trial.contract.groups, "test")
        return replace(trial, success=False, recording=none)

    still = Rollouts({mode: tuple(map(idle, trials)) for mode, trials in rollouts.trials.items()}, ())
    report = figures(still, Demonstrations(0, 0, np.empty(0)), None, None)
    assert report["delay_ticks"]["measured_max"] is None
    page = render_page(report, still)
    assert Elements(page).open == []
    assert len(plots(page)) == 4
