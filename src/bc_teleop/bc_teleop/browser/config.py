"""Where the page is served, and how late its readings may be."""

from dataclasses import dataclass

from bc_core.schema import Section


@dataclass(frozen=True)
class BrowserConfig:
    """host: address to listen on (0.0.0.0: every network of this machine). port: 0 takes a free one.

    certificate, key: PEM files; empty: one is made, signed by itself. lateness [s]: a reading that was longer on its
    way than the fastest one by more than this counts as let go.
    """

    host: str = "127.0.0.1"
    port: int = 8443
    certificate: str = ""
    key: str = ""
    lateness: float = 0.25


def read_browser(section: Section) -> BrowserConfig:
    """Section `browser`."""
    config = BrowserConfig(
        host=section.text("host", BrowserConfig.host),
        port=section.integer("port", BrowserConfig.port, maximum=65535),
        certificate=section.text("certificate", ""),
        key=section.text("key", ""),
        lateness=section.number("lateness", BrowserConfig.lateness, minimum=0.02, maximum=1.0),
    )
    if bool(config.certificate) != bool(config.key):
        raise section.error("certificate", config.certificate, "give certificate and key, or neither")
    section.finish()
    return config
