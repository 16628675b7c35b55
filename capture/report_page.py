"""A self-contained HTML page: sections of text, tables and embedded pictures."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #fdfdfb; --soft: #5b6875;
        --line: #d9dee3; --accent: #a8442a; --box: #f3f1ec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --paper: #14181d; --soft: #98a4b0;
        --line: #2d353e; --accent: #e58a6b; --box: #1d232a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 3.2rem 0 .4rem; padding-top: 1rem;
     border-top: 1px solid var(--line); }
h2 small { color: var(--accent); font-weight: 600; margin-right: .5rem; }
p { max-width: 46rem; margin: .5rem 0; }
.note { background: var(--box); border-left: 4px solid var(--accent); padding: .8rem 1rem; }
nav { margin: 1.2rem 0; font-size: .95rem; } nav a { margin-right: .9rem; white-space: nowrap; }
a { color: var(--accent); }
figure { margin: 1.2rem 0; }
figure img, figure video { max-width: 100%; height: auto; background: #fff;
                           border: 1px solid var(--line); border-radius: 4px; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums;
        font-size: .94rem; }
th, td { text-align: right; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--box); padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }
"""

_MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
}


@dataclass(slots=True)
class Page:
    """Builds the page piece by piece; every text is escaped.

    Attributes
    ----------
    title : str
    lead : str
        The paragraph under the title.
    """

    title: str
    lead: str
    _body: list[str] = field(default_factory=list)
    _sections: list[tuple[str, str]] = field(default_factory=list)

    def section(self, title: str, *paragraphs: str) -> None:
        """Start a section; it appears in the list of contents."""
        number = len(self._sections) + 1
        anchor = f"section-{number}"
        self._sections.append((anchor, title))
        heading = f'<h2 id="{anchor}"><small>{number}</small>{html.escape(title)}</h2>'
        self._body.append(heading)
        for paragraph in paragraphs:
            self.paragraph(paragraph)

    def paragraph(self, text: str, *, note: bool = False) -> None:
        """Add a paragraph; `note` sets it apart."""
        marked = ' class="note"' if note else ""
        self._body.append(f"<p{marked}>{html.escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; floats are shown with three significant digits."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(cell))}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        self._body.append(
            f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
            "</table></div>"
        )

    def picture(self, path: Path, caption: str) -> None:
        """Embed a PNG, JPEG or SVG file with its caption, which is also its alternative text."""
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        source = f"data:{_MEDIA_TYPES[path.suffix.lower()]};base64,{encoded}"
        text = html.escape(caption)
        self._body.append(
            f'<figure><img src="{source}" alt="{text}"><figcaption>{text}</figcaption></figure>'
        )

    def film(self, path: Path, caption: str) -> None:
        """Embed an MP4 file that a browser can play, with its caption."""
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        source = f"data:{_MEDIA_TYPES[path.suffix.lower()]};base64,{encoded}"
        text = html.escape(caption)
        self._body.append(
            f'<figure><video src="{source}" controls loop muted playsinline aria-label="{text}">'
            f"</video><figcaption>{text}</figcaption></figure>"
        )

    def commands(self, lines: Sequence[str]) -> None:
        """Add the command lines of a stage, folded."""
        text = html.escape("\n".join(lines))
        self._body.append(f"<details><summary>commands</summary><pre>{text}</pre></details>")

    def render(self) -> str:
        """Return the whole document."""
        contents = " ".join(
            f'<a href="#{anchor}">{html.escape(title)}</a>' for anchor, title in self._sections
        )
        title = html.escape(self.title)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
            f"<h1>{title}</h1><p>{html.escape(self.lead)}</p><nav>{contents}</nav>"
            f"{''.join(self._body)}</main></body></html>\n"
        )


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 1000 else f"{cell:.0f}"
    return str(cell)
