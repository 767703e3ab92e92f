"""The web server behind the page: in a thread of its own, one browser at a time, and whoever is cut off has let go."""

import asyncio
import contextlib
import importlib.resources
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from bc_core.errors import BcError
from bc_teleop.browser.certificate import server_context
from bc_teleop.browser.config import BrowserConfig
from bc_teleop.browser.door import RELEASED, Door, Valve, parse
from bc_teleop.command import Button
from bc_teleop.devices.plugged import JoyReading

COOKIE = "bc_ros_session"
TAKEN = 4001  # close code: another one drives
_HEARTBEAT = 1.0  # [s] between pings; a browser that does not answer for half of it is gone. And to say farewell in
_LARGEST = 4096  # [bytes] of a message
_FILES = {"page.js": "text/javascript", "page.css": "text/css"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class BrowserServer:
    """hello: what the page is told once (which button does what). receive: gets every reading, in this thread. say:
    what became of it, for a log.
    """

    def __init__(
        self,
        config: BrowserConfig,
        hello: dict[str, Any],
        receive: Callable[[JoyReading], None],
        say: Callable[[str], None],
    ) -> None:
        self._web = _aiohttp()
        self._config, self._hello, self._receive, self._say = config, hello, receive, say
        self._context, self._fingerprint = server_context(config)
        self._door = Door()
        self._socket: Any = None
        self._shown: dict[str, Any] = {}
        self._started: Future[int] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="browser", daemon=True)
        self.port = 0

    @property
    def url(self) -> str:
        """Address with the token that lets the next browser in."""
        host = "localhost" if self._config.host in ("0.0.0.0", "::") else self._config.host
        return f"https://{host}:{self.port}/?token={self._door.token}"

    def start(self) -> None:
        """BcError: the address cannot be had."""
        self._thread.start()
        try:
            self.port = self._started.result()
        except OSError as error:
            raise BcError(
                f"browser.host '{self._config.host}', browser.port {self._config.port}: {error.strerror}: "
                "choose an address of this machine and a free port"
            ) from error
        self._say(f"drive at {self.url} (once; certificate's SHA-256: {self._fingerprint})")

    def show(self, **state: Any) -> None:
        """What the page is to show from now on; from any thread."""
        if state != self._shown:
            self._shown = state
            self._loop.call_soon_threadsafe(self._push)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    # --- in the server's thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        web = self._web
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_get("/", self._page)
        app.router.add_get("/drive", self._drive)
        for name in _FILES:
            app.router.add_get(f"/{name}", self._file)
        app.on_response_prepare.append(_secure)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._config.host, self._config.port, ssl_context=self._context)
            await site.start()
            self._started.set_result(runner.addresses[0][1])
            await self._stop.wait()
            if self._socket is not None:
                await self._socket.close(code=1001, message=b"the node has ended")
        except OSError as error:
            self._started.set_exception(error)
        finally:
            await runner.cleanup()

    async def _page(self, request: Any) -> Any:
        web = self._web
        token = request.query.get("token", "")
        if token and self._socket is None and (session := self._door.enter(token)):
            self._say(f"a browser at {request.remote} was let in")
            answer = web.HTTPSeeOther("/")  # the token is neither kept in its history nor shown
            answer.set_cookie(COOKIE, session, secure=True, httponly=True, samesite="Lax")
            raise answer
        if not self._door.knows(request.cookies.get(COOKIE, "")):
            if token:
                self._say(f"a browser at {request.remote} was refused: used or wrong token, or somebody drives")
            return web.Response(status=403, text="Open the address that teleop_node prints: each one lets in once.\n")
        return web.Response(text=_read("index.html"), content_type="text/html")

    async def _file(self, request: Any) -> Any:
        name = request.path.lstrip("/")
        return self._web.Response(text=_read(name), content_type=_FILES[name])

    async def _drive(self, request: Any) -> Any:
        web = self._web
        own = request.headers.get("Origin") == f"https://{request.host}"
        if not own or not self._door.knows(request.cookies.get(COOKIE, "")):
            return web.Response(status=403, text="not from this page\n")
        socket = web.WebSocketResponse(timeout=_HEARTBEAT, heartbeat=_HEARTBEAT, max_msg_size=_LARGEST)
        await socket.prepare(request)
        if self._socket is not None:
            await socket.close(code=TAKEN, message=b"another page drives already")
            return socket
        self._socket = socket
        try:
            await socket.send_json({"type": "hello", **self._hello})
            self._push()
            await self._follow(socket)
        finally:
            self._socket = None
            self._receive(RELEASED)
            self._door.renew()
            self._say(f"the browser at {request.remote} is gone: it counts as let go; another one: {self.url}")
        return socket

    async def _follow(self, socket: Any) -> None:
        valve = Valve(self._config.lateness, self._hello.get("actions", {}).get(Button.STOP))
        was_open = False
        async for message in socket:
            try:
                parsed = parse(json.loads(message.data))
            except (TypeError, ValueError):
                parsed = None
            if parsed is None:
                await socket.close(code=1003, message=b"not a reading")
                return
            sent, reading = parsed
            self._receive(valve.pass_on(reading, sent, time.monotonic()))
            if was_open and not valve.is_open:
                self._say(f"the browser's readings are {valve.delay:.2f} s late: it counts as let go")
            if was_open != valve.is_open:
                was_open = valve.is_open
                await socket.send_json({"type": "link", "open": was_open})

    def _push(self) -> None:
        if self._socket is not None and not self._socket.closed:
            task = self._loop.create_task(self._send(self._socket, {"type": "state", **self._shown}))
            task.add_done_callback(lambda done: done.result())

    async def _send(self, socket: Any, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # gone in between: whoever reads from it says so
            await socket.send_json(message)


async def _secure(request: Any, response: Any) -> None:
    response.headers.update(_HEADERS)


def _read(name: str) -> str:
    return importlib.resources.files("bc_teleop.browser").joinpath("page", name).read_text(encoding="utf-8")


def _aiohttp() -> Any:
    try:
        from aiohttp import web
    except ImportError as error:
        raise BcError("device 'browser' needs the package aiohttp: pip install aiohttp==3.14.5") from error
    return web
