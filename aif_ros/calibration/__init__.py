"""Calibration of a lens from photographs or a sweep."""
