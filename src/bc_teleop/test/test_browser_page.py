"""The page itself, in headless Chromium: fingers and gamepads become readings, states become lights and signals."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import chromium
import pytest
from chromium import Chromium

from bc_teleop.browser.config import BrowserConfig
from bc_teleop.browser.door import RELEASED
from bc_teleop.browser.server import BrowserServer
from bc_teleop.device_shell import hello
from bc_teleop.devices.plugged import JoyReading
from bc_teleop.settings import load_settings

PROGRAM = chromium.find()
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason=f"NOT TESTED: the page in a browser, none of {', '.join(chromium.PROGRAMS)} is installed"
)
PATIENCE = 30.0  # [s]; never waited for in a test that passes
DEAD_MAN, CLOSE, STOP = 4, 0, 3  # of config/teleop/browser.yaml: left shoulder, south, north
A_PAD = """
window.fakePad = { id: "stand-in", connected: true, mapping: "standard", axes: [0, 0, 0, 0],
  buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })) };
navigator.getGamepads = () => [window.fakePad];
"""


class Served:
    """A server with the shipped settings, and the readings it has given."""

    def __init__(self, config_folder: Path) -> None:
        self.readings: list[JoyReading] = []
        joy = load_settings(config_folder / "teleop" / "browser.yaml", "browser").joy
        self.server = BrowserServer(BrowserConfig(port=0), hello(joy), self.readings.append, print)
        self.server.start()

    async def until(self, condition: Callable[[JoyReading], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (self.readings and condition(self.readings[-1])):
                await asyncio.sleep(0.005)


@pytest.fixture
def served(config_folder: Path) -> Iterator[Served]:
    served = Served(config_folder)
    yield served
    served.server.close()


def visit(served: Served, folder: Path, body: Callable[[Chromium], Awaitable[None]], script: str = "") -> None:
    async def run() -> None:
        async with Chromium(str(PROGRAM), folder) as page:
            if script:
                await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
            await page.call("Page.navigate", url=served.server.url)
            await page.until("Boolean(document.querySelector('#actions button'))")
            await body(page)

    asyncio.run(run())


def test_fingers_drive_and_lifting_them_lets_go(served: Served, tmp_path: Path) -> None:
    served.server.show(mode="HOLD", yours=False, message="", told="mode 'tool', 100% of full speed", drives="tool")

    async def body(page: Chromium) -> None:
        await page.until("document.body.dataset.light === 'hold'")
        x, y = await page.centre("#left")
        u, v = await page.centre("#right")
        await page.touch("touchStart", (x, y))
        await served.until(lambda reading: reading[1][DEAD_MAN] == 1 and not any(reading[0]))
        await page.touch("touchMove", (x, y - 40))
        await served.until(lambda reading: reading[0][1] > 0.2)  # up: forward
        await page.touch("touchStart", (x, y - 40), (u, v))
        await page.touch("touchMove", (x, y - 40), (u - 30, v))
        await served.until(lambda reading: reading[0][2] > 0.1 and reading[0][1] > 0.2)
        served.server.show(mode="HUMAN", yours=True, message="", told="mode 'tool'", drives="tool")
        await page.until("document.body.dataset.light === 'yours' && document.body.dataset.signal === 'yours'")
        if pictures := os.environ.get("BC_PICTURES"):
            await page.picture(Path(pictures) / "browser_page.png")
        await page.touch("touchEnd")
        await served.until(lambda reading: reading == RELEASED)
        await page.touch("touchStart", await page.centre("button[data-action=stop]"))
        await served.until(lambda reading: reading[1][STOP] == 1 and reading[1][DEAD_MAN] == 0)
        served.server.show(mode="STOPPED", yours=False, message="", told="", drives="tool")
        await page.until("document.body.dataset.light === 'stopped' && document.body.dataset.signal === 'stopped'")

    visit(served, tmp_path, body)


def test_a_gamepad_drives_and_a_page_that_is_hidden_or_killed_lets_go(served: Served, tmp_path: Path) -> None:
    async def body(page: Chromium) -> None:
        await served.until(lambda reading: reading == RELEASED)
        await page.evaluate(f"fakePad.buttons[{DEAD_MAN}].pressed = true; fakePad.axes[3] = -1; 0")
        await served.until(lambda reading: reading[1][DEAD_MAN] == 1 and reading[0][3] == 1.0)
        hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true}); 0"
        await page.evaluate(hide % "true")
        await served.until(lambda reading: reading == RELEASED)
        await page.evaluate(hide % "false")
        await served.until(lambda reading: reading[1][DEAD_MAN] == 1)
        page.process.kill()
        await served.until(lambda reading: reading == RELEASED)

    visit(served, tmp_path, body, A_PAD)


def test_a_page_whose_server_has_gone_says_so(served: Served, tmp_path: Path) -> None:
    async def body(page: Chromium) -> None:
        served.server.show(mode="HOLD", yours=False, message="", told="", drives="tool")
        await page.until("document.body.dataset.light === 'hold'")
        served.server.close()
        await page.until("document.body.dataset.light === 'lost' && document.body.dataset.signal === 'lost'")

    visit(served, tmp_path, body)
