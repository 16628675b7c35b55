"""MRAN, URAN, their training and their evaluation."""
