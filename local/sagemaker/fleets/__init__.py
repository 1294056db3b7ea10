"""Fleets: one process of the image for each instance, laid out, started, watched, replaced and ended."""
