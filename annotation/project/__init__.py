"""An annotation project: a folder of videos, raters, their tasks and all they did."""
