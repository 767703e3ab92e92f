"""The endpoint over a real socket: a server that is down, slow, huge, wrong, or sends one elsewhere."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from bc_core.errors import BcError
from bc_core.skills.endpoint import LARGEST, Endpoint

KEY = "sk-very-secret"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """An HTTP server in a thread; `handler` answers POST /v1/chat/completions."""

    def __init__(self) -> None:
        self.handler: Handler
        self.seen: list[tuple[dict[str, Any], Any]] = []
        self.redirected = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10.0)

    async def _start(self) -> str:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/v1/chat/completions", self._take)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((dict(request.headers), await request.json()))
        return await self.handler(request)

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.redirected += 1
        return web.json_response({})

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    shared.seen.clear()
    return shared


def endpoint(url: str, timeout: float = 10.0) -> Endpoint:
    return Endpoint.configured(url, "seer", timeout, "KEY", {"KEY": KEY})


def test_an_answer_is_handed_on_and_the_key_is_sent(server: Server) -> None:
    async def good(request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": []})

    server.handler = good
    assert json.loads(endpoint(server.url).ask({"model": "seer"})) == {"choices": []}
    headers, body = server.seen[0]
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {"model": "seer"}


def test_without_a_key_none_is_sent(server: Server) -> None:
    async def good(request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    server.handler = good
    Endpoint.configured(server.url + "/", "seer", 10.0, "", {"KEY": KEY}).ask({})
    assert "Authorization" not in server.seen[0][0]


def test_a_server_that_is_down(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(BcError, match=f"endpoint {url}: .*see whether it runs"):
            endpoint(url).ask({})


def test_a_server_that_never_answers(server: Server) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60.0)
        return web.json_response({})

    server.handler = silent
    with pytest.raises(BcError, match=r"no answer within 0\.3 s"):
        endpoint(server.url, 0.3).ask({})


def test_a_server_that_answers_byte_by_byte(server: Server) -> None:
    """No single wait is long, but all together are."""

    async def drop_by_drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3000):
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    server.handler = drop_by_drop
    with pytest.raises(BcError, match=r"no answer within 0\.3 s"):
        endpoint(server.url, 0.3).ask({})


def test_an_answer_without_end(server: Server) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100 * LARGEST:
            sent += 100_000
            await response.write(b"x" * 100_000)
        return response

    server.handler = flood
    with pytest.raises(BcError, match=f"more than {LARGEST} bytes"):
        endpoint(server.url).ask({})
    assert sent < 20 * LARGEST  # it was not read to its end


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (500, "Internal error", "answers 500 .*Internal error"),
        (401, json.dumps({"error": {"message": "no such key"}}), "answers 401 .*no such key"),
        (429, json.dumps({"error": None}), "answers 429"),
        (404, "x" * 5000, "answers 404"),
        (503, "\x00\x01", "answers 503"),
    ],
)
def test_an_error_of_the_server_is_told_in_short(server: Server, status: int, text: str, words: str) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text)

    server.handler = fail
    with pytest.raises(BcError, match=words) as told:
        endpoint(server.url).ask({})
    assert len(str(told.value)) < 400
    assert KEY not in str(told.value)


def test_a_redirect_is_not_followed(server: Server) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    server.handler = away
    with pytest.raises(BcError, match="answers 307"):
        endpoint(server.url).ask({})
    assert server.redirected == 0


def test_a_connection_that_breaks_off(server: Server) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    server.handler = broken
    with pytest.raises(BcError, match="see whether it runs"):
        endpoint(server.url).ask({})


@pytest.mark.parametrize(
    ("url", "model", "timeout", "variable", "words"),
    [
        ("localhost:8000/v1", "seer", 1.0, "", "give a URL such as"),
        ("", "seer", 1.0, "", "give a URL such as"),
        ("ftp://localhost/v1", "seer", 1.0, "", "give a URL such as"),
        ("http://localhost/v1", "", 1.0, "", "give the name of a model"),
        ("http://localhost/v1", "seer", 0.0, "", "must be above 0"),
        ("http://localhost/v1", "seer", 1.0, "ABSENT", "environment variable ABSENT is not set"),
        ("http://example.org/v1", "seer", 1.0, "KEY", "the key would cross the network unencrypted: use https"),
    ],
)
def test_an_endpoint_that_is_wrong_is_refused(url: str, model: str, timeout: float, variable: str, words: str) -> None:
    with pytest.raises(BcError, match=words) as told:
        Endpoint.configured(url, model, timeout, variable, {"KEY": KEY})
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    "url", ["http://localhost/v1", "http://127.0.0.1:8000/v1", "http://[::1]:1/v1", "https://a.b/v1"]
)
def test_a_key_may_go_to_this_machine_or_over_tls(url: str) -> None:
    made = Endpoint.configured(url, "seer", 1.0, "KEY", {"KEY": KEY})
    assert made.key == KEY
    assert KEY not in repr(made)
