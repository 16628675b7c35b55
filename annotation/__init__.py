"""Continuous valence and arousal: traces, labels, fusion and agreement."""
