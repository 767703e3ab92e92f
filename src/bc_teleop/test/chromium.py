"""A headless Chromium, driven through its DevTools protocol."""

import asyncio
import base64
import itertools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """One page. Use as an asynchronous context."""

    def __init__(self, program: str, folder: Path) -> None:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--no-first-run"]
        options += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=900,440"]
        self._port_file = folder / "DevToolsActivePort"
        self.process = subprocess.Popen(
            [program, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> "Chromium":
        while not self._port_file.exists() or "\n" not in self._port_file.read_text():
            assert self.process.poll() is None, "chromium has ended"
            await asyncio.sleep(0.02)
        port, path = self._port_file.read_text().splitlines()[:2]
        self._http = aiohttp.ClientSession()
        self._line = await self._http.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0)
        self._session: str | None = None
        target = await self.call("Target.createTarget", url="about:blank")
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        await self.call("Page.enable")
        await self.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=5)
        await self.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        self.process.kill()
        self.process.wait()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        await self._line.send_json(message | ({"sessionId": self._session} if self._session else {}))
        while True:
            answer = await self._line.receive_json()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, patience: float = 30.0) -> None:
        async with asyncio.timeout(patience):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.02)

    async def centre(self, selector: str) -> tuple[float, float]:
        box = await self.evaluate(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return box[0], box[1]

    async def touch(self, kind: str, *points: tuple[float, float]) -> None:
        """kind: touchStart, touchMove or touchEnd; points: the fingers on the glass."""
        fingers = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        await self.call("Input.dispatchTouchEvent", type=kind, touchPoints=fingers)

    async def picture(self, path: Path) -> None:
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))
