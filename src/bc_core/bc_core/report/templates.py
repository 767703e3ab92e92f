"""The templates of pages: what all have in common lies here (layout.html.j2, parts.html.j2)."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_environment(package: str) -> Environment:
    """Templates of `package`, which may extend and import those of bc_core.report."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in dict.fromkeys((package, "bc_core.report"))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
