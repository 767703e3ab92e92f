"""A browser that is a program: keeps cookies, and trusts whatever certificate there is."""

import ssl

import aiohttp


def page_session() -> aiohttp.ClientSession:
    """Use as an asynchronous context."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    jar = aiohttp.CookieJar(unsafe=True)  # of an address without a name, too
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), cookie_jar=jar)
