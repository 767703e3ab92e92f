"""A thread whose failure is seen: its exception comes back to whoever started or checks it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future


class Worker:
    """Runs `body(worker)` in a thread. The body calls `ready()` once set up, and returns when `stopping` is set."""

    def __init__(self, name: str, body: Callable[["Worker"], None]) -> None:
        self.stopping = threading.Event()
        self._ready: Future[None] = Future()
        self._error: BaseException | None = None
        self._body = body
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start and wait until the body is ready; raises what it raised before that."""
        self._thread.start()
        self._ready.result()

    def ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def check(self) -> None:
        """Raise what the body raised, if it did."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Ask the body to return, and wait for it."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._body(self)
            self.ready()
        except BaseException as error:
            self._error = error
            if not self._ready.done():
                self._ready.set_exception(error)
