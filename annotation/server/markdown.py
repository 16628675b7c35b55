"""Instructions as a page: Markdown without HTML, pictures and clips from the examples folder."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

_CLIPS = {".mp4", ".webm"}


def render_instructions(text: str) -> str:
    """Return `text` as HTML; ``![what it shows](clip.mp4)`` becomes a clip to play.

    HTML in `text` is shown as text, links to scripts are no links.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("image", _render_image)
    return str(markdown.render(text))


def _render_image(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    from html import escape

    token = tokens[index]
    name = PurePosixPath(str(token.attrs.get("src", ""))).name
    source = f"/examples/{escape(name, quote=True)}"
    caption = escape(self.renderInlineAsText(token.children or [], options, env), quote=True)
    if PurePosixPath(name).suffix.lower() in _CLIPS:
        return (
            f'<video controls preload="metadata" src="{source}" aria-label="{caption}"></video>'
            f"<span>{caption}</span>"
        )
    return f'<img src="{source}" alt="{caption}">'
