"""The mark on files that are made from a clip store and name its videos: pages, figures, exports.

Withdrawal finds them by it: they can be made again, so they are removed as soon as one of their
people withdraws.
"""

DERIVED_MARK = "mavfer-derived-from-faces"
"""Written into every such file: HTML and SVG metadata, a JSON key, a PNG text, a tar member."""
