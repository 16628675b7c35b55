"""From board sessions to a rig calibration, and registration of every image to color."""
