"""The mark on files that are made from a clip store and name its videos: pages, figures, exports.

Withdrawal finds them by it: they can be made again, so they are removed as soon as one of their
people withdraws.
"""

from annotation.mark import DERIVED_MARK

__all__ = ["DERIVED_MARK"]
