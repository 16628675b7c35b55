"""Synchronised recording of every sensor of the rig, simulated or real."""
