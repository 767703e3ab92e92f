"""An OpenAI-compatible endpoint: one question, one answer, within a time and a size."""

import asyncio
import ipaddress
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bc_core.errors import BcError
from bc_core.optional import require

LARGEST = 1_000_000
"""Bytes of an answer that are read."""


@dataclass(frozen=True)
class Endpoint:
    """url: up to the version, e.g. https://api.openai.com/v1. key: empty: none is sent. timeout: of an answer [s]."""

    url: str
    model: str
    timeout: float
    key: str = field(default="", repr=False)

    @classmethod
    def configured(
        cls, url: str, model: str, timeout: float, key_variable: str, environment: Mapping[str, str] = os.environ
    ) -> "Endpoint":
        """key_variable: of the environment, which alone may hold the key; empty: the endpoint needs none.

        BcError: something is missing, or the key would cross a network unencrypted.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BcError(f"endpoint '{url}': give a URL such as http://localhost:8000/v1")
        if not model:
            raise BcError(f"endpoint '{url}': give the name of a model that it serves")
        if timeout <= 0.0:
            raise BcError(f"endpoint '{url}': timeout {timeout:g} s must be above 0")
        key = environment.get(key_variable, "") if key_variable else ""
        if key_variable and not key:
            raise BcError(f"endpoint '{url}': environment variable {key_variable} is not set: put the key there")
        if key and parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise BcError(f"endpoint '{url}': the key would cross the network unencrypted: use https")
        require("aiohttp", "aiohttp", "asking a model at an endpoint")
        return cls(url.rstrip("/"), model, timeout, key)

    def ask(self, body: dict[str, Any]) -> bytes:
        """The body of the answer. Blocks until it is there. BcError: there is none, too much of it, or not in time."""
        return asyncio.run(self._ask(body))

    async def _ask(self, body: dict[str, Any]) -> bytes:
        import aiohttp

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        where = f"endpoint {self.url}"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.timeout)) as session,
                # A redirect could carry picture and key elsewhere.
                session.post(
                    f"{self.url}/chat/completions", json=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                data = bytearray()
                async for part in response.content.iter_chunked(65536):
                    data += part
                    if len(data) > LARGEST:
                        raise BcError(f"{where}: its answer has more than {LARGEST} bytes: is it a chat endpoint?")
                if response.status != 200:
                    raise BcError(f"{where}: it answers {response.status} {response.reason}: {_told(bytes(data))}")
                return bytes(data)
        except TimeoutError as error:
            raise BcError(f"{where}: no answer within {self.timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise BcError(f"{where}: {error or repr(error)}: see whether it runs") from error


def _told(data: bytes) -> str:
    """What an error response says, in short."""
    text = data.decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError, RecursionError):  # not OpenAI's form of an error: the text itself
        text = str(json.loads(text)["error"]["message"])
    return repr(text[:200])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
