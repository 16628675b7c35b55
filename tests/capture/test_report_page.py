import base64
from html.parser import HTMLParser

import cv2
import numpy as np

from capture.report_page import Page


class Collected(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "img":
            self.sources.append(values["src"])
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a":
            self.links.append(values["href"])

    def handle_data(self, data):
        self.text.append(data)


def parse(page: Page) -> Collected:
    collected = Collected()
    collected.feed(page.render())
    return collected


def test_pictures_are_embedded_and_decode_to_the_same_pixels(tmp_path):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), image)
    page = Page("Title", "Lead")
    page.picture(path, "a picture")
    (source,) = parse(page).sources
    prefix = "data:image/png;base64,"
    assert source.startswith(prefix)
    data = np.frombuffer(base64.b64decode(source.removeprefix(prefix)), np.uint8)
    assert np.array_equal(cv2.imdecode(data, cv2.IMREAD_COLOR), image)


def test_contents_link_to_every_section():
    page = Page("Title", "Lead")
    page.section("First", "text")
    page.section("Second")
    collected = parse(page)
    assert [link.removeprefix("#") for link in collected.links] == ["section-1", "section-2"]
    assert {link.removeprefix("#") for link in collected.links} <= collected.anchors


def test_markup_in_texts_is_shown_not_interpreted():
    page = Page("<b>T</b>", "<script>alert(1)</script>")
    page.table(["<i>head</i>"], [["<u>cell</u>", 0.12345]])
    page.commands(["mavfer info <path>"])
    rendered = page.render()
    assert "<script>" not in rendered
    assert "<b>T" not in rendered
    text = "".join(parse(page).text)
    assert "<u>cell</u>" in text
    assert "0.123" in text
    assert "mavfer info <path>" in text


def test_films_are_embedded_whole_and_their_captions_escaped(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(range(256)))
    page = Page("t", "l")
    page.film(path, 'a <b> "film"')
    text = page.render()
    assert f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}" in text
    assert "<b>" not in text
    assert "a &lt;b&gt; &quot;film&quot;" in text
