"""Sphinx extension: the sidebar is made once a folder, and each page marks its own entry in it.

The theme asks for the whole table of contents on every page, open at that page. With a page for
each claim, making it anew each time took more than half of the time in which pages are written.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from bs4 import BeautifulSoup
from sphinx.environment.adapters.toctree import global_toctree_for_doc


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx, to be called before the theme."""

    @cache
    def tree(nowhere: str, **options: Any) -> str:
        """The table of contents as a page of this name links to it, which no entry is."""
        found = global_toctree_for_doc(
            app.env, nowhere, app.builder, tags=app.builder.tags, **options
        )
        return app.builder.render_partial(found)["fragment"] if found else ""

    def at_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
        if "toctree" in context:
            nowhere = page[: page.rfind("/") + 1] + "."
            link = app.builder.get_relative_uri(nowhere, page)
            context["toctree"] = lambda **options: opened(tree(nowhere, **options), link)

    app.connect("html-page-context", at_page, priority=400)
    return {"parallel_read_safe": True}


def opened(tree: str, link: str) -> str:
    """The tree with the entry of this link, and those above it, as current."""
    soup = BeautifulSoup(tree, "html.parser")
    if entry := soup.find("a", href=link):
        entry["href"] = "#"
        for each in (entry, *entry.find_parents(["li", "ul"])):
            each["class"] = [*(each.get("class") or ()), "current"]
    return str(soup)
