"""The page's server over a real TLS connection: who gets in, one at a time, and cut off means let go."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import pytest
from page_client import page_session

from bc_core.errors import BcError
from bc_teleop.browser.config import BrowserConfig
from bc_teleop.browser.door import BUTTONS, RELEASED
from bc_teleop.browser.server import TAKEN, BrowserServer
from bc_teleop.devices.plugged import JoyReading

PATIENCE = 20.0  # [s]; never waited for in a test that passes
DEAD_MAN, STOP = 4, 3
ACTIONS = {"dead_man": DEAD_MAN, "stop": STOP}


class Served:
    """A server, and what it has given and said."""

    def __init__(self) -> None:
        self.readings: list[JoyReading] = []
        self.said: list[str] = []
        config = BrowserConfig(port=0)
        self.server = BrowserServer(config, {"actions": ACTIONS}, self.readings.append, self.said.append)
        self.server.start()
        self.origin = f"https://127.0.0.1:{self.server.port}"

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.002)


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.server.close()


def browse(body: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Run a body with a browser of its own."""

    async def run() -> None:
        async with page_session() as session:
            await body(session)

    asyncio.run(run())


def reading(*pressed: int, at: float | None = None) -> str:
    buttons = [int(index in pressed) for index in range(BUTTONS)]
    return json.dumps({"t": 1000.0 * (time.monotonic() if at is None else at), "axes": [0.0] * 4, "buttons": buttons})


def test_the_token_lets_one_browser_in_once_and_is_not_shown(served: Served) -> None:
    url = served.server.url

    async def body(session: aiohttp.ClientSession) -> None:
        assert (await session.get(served.origin)).status == 403
        assert (await session.get(f"{served.origin}/?token=wrong")).status == 403
        page = await session.get(url)
        assert page.status == 200 and "token" not in str(page.url) and "page.js" in await page.text()
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        async with aiohttp.ClientSession(connector=session.connector, connector_owner=False) as other:
            assert (await other.get(url)).status == 403  # used

    browse(body)
    assert any("refused" in text for text in served.said)
    assert "SHA-256" in served.said[0]


def test_readings_come_through_and_a_cut_connection_is_let_go(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        assert (await line.receive_json())["actions"] == ACTIONS
        await line.send_str(reading(DEAD_MAN))
        await line.send_str(reading())
        await line.send_str(reading(DEAD_MAN))
        await served.until(lambda: len(served.readings) == 3)
        held = [buttons[DEAD_MAN] for _, buttons in served.readings]
        assert held == [0, 0, 1]  # what was held from the start does not count
        line._response.connection.transport.abort()
        await served.until(lambda: len(served.readings) == 4)
        assert served.readings[-1] == RELEASED

    browse(body)
    assert any("gone" in text and "token=" in text for text in served.said)


def test_late_readings_are_let_go_until_everything_was_released(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        for message in (reading(), reading(DEAD_MAN), reading(DEAD_MAN, at=time.monotonic() - 0.4), reading(DEAD_MAN)):
            await line.send_str(message)
        await served.until(lambda: len(served.readings) == 4)
        assert [buttons[DEAD_MAN] for _, buttons in served.readings] == [0, 1, 0, 0]

    browse(body)
    assert any("late" in text for text in served.said)


def test_a_late_stop_is_a_stop(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        for message in (reading(), reading(STOP, DEAD_MAN, at=time.monotonic() - 0.4)):
            await line.send_str(message)
        await served.until(lambda: len(served.readings) == 2)
        assert [index for index, down in enumerate(served.readings[1][1]) if down] == [STOP]

    browse(body)


def test_a_second_page_is_told_that_somebody_drives(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        await line.receive_json()
        second = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        await second.receive()
        assert second.close_code == TAKEN
        await line.send_str(reading())
        await served.until(lambda: len(served.readings) == 1)  # the first drives on

    browse(body)


def test_another_sites_page_and_a_browser_without_the_cookie_are_refused(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        await session.get(served.server.url)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(f"{served.origin}/drive", origin="https://elsewhere.example")

    browse(body)
    assert not served.readings


def test_what_is_no_reading_ends_the_connection(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        await line.receive_json()
        await line.send_str('{"axes": 7}')
        await served.until(lambda: served.readings == [RELEASED])

    browse(body)


def test_the_state_is_shown(served: Served) -> None:
    async def body(session: aiohttp.ClientSession) -> None:
        await session.get(served.server.url)
        served.server.show(mode="HOLD")
        line = await session.ws_connect(f"{served.origin}/drive", origin=served.origin)
        await line.receive_json()
        assert (await line.receive_json())["mode"] == "HOLD"
        served.server.show(mode="HUMAN")
        assert (await line.receive_json())["mode"] == "HUMAN"

    browse(body)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BcError, match=f"browser.port {port}.*choose"):
            BrowserServer(BrowserConfig(port=port), {}, print, print).start()


def test_a_certificate_that_is_none_is_named(tmp_path) -> None:
    (tmp_path / "a.pem").write_text("nothing")
    config = BrowserConfig(port=0, certificate=str(tmp_path / "a.pem"), key=str(tmp_path / "a.pem"))
    with pytest.raises(BcError, match=r"a\.pem"):
        BrowserServer(config, {}, print, print)
