"""The mark on files that are made from recordings or ratings and name sessions or people.

``mavfer withdraw`` finds them by it: they can be made again, so they are removed as soon as one of
their people withdraws. It has to stand in the file as plain bytes, as have the names.
"""

DERIVED_MARK = "mavfer-derived-from-faces"
"""Written into every such file: HTML and SVG metadata, a JSON key, a PNG text, a tar member."""
