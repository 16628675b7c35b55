"""Layouts of published corpora, and of any folder of videos, told to the dataset builder."""
