"""The selector that asks a vision-language model, in a thread of its own: the robot holds meanwhile."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.grid import NANOSECONDS
from bc_core.resampling import Value
from bc_core.skills.director import Choice
from bc_core.skills.executive import Ended
from bc_core.skills.library import Library
from bc_core.skills.vision import answer, question
from bc_core.skills.world import World

LOOK = 1.0
"""How long a picture may take to come that was taken since the robot holds [s]."""


class ModelSelector:
    """Asks `ask` (a request's body to the answer's bytes, or BcError) after every skill (director.Selector)."""

    def __init__(
        self,
        ask: Callable[[dict[str, Any]], bytes],
        model: str,
        goal: str,
        library: Library,
        world: World,
        camera: str,
    ) -> None:
        if not goal:
            raise BcError("the model is to choose, but is not told what for: give a goal")
        self.name = f"model '{model}'"
        self._ask, self._model, self._goal, self._library = ask, model, goal, library
        self._world, self._camera = world, camera
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="selector")
        self._asked: Future[Choice] | None = None
        self._past: list[Ended] = []
        self._since_ns: int | None = None  # waiting for a picture

    def begin(self) -> None:
        self._asked, self._since_ns = None, None
        self._past = []

    def choose(self, last: Ended | None, tick: int, now_ns: int) -> Choice | None:
        if self._asked is None:
            self._begin_asking(last, tick, now_ns)
            return None
        if not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        try:
            return asked.result()
        except BcError as error:
            raise BcError(f"{self.name} has made no choice: {error}") from error

    def close(self) -> None:
        """An answer that is under way is awaited, at most for the endpoint's timeout."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _begin_asking(self, last: Ended | None, tick: int, now_ns: int) -> None:
        if self._since_ns is None:
            self._since_ns = now_ns
            self._past += [last] if last is not None else []
        try:
            image = self._world.newest(self._camera, tick)
        except ObservationError as error:
            if now_ns - self._since_ns >= LOOK * NANOSECONDS:
                raise BcError(f"{self.name} is not asked: {error}") from error
            return
        self._since_ns = None
        self._asked = self._thread.submit(self._put, image, tuple(self._past))

    def _put(self, image: Value, past: tuple[Ended, ...]) -> Choice:
        """In the thread."""
        camera = self._world.contract.observations[self._camera]
        body = question(self._model, self._goal, self._library, past, image, camera)
        return answer(self._ask(body), self._library)
