"""Cameras and focus lenses: simulated, recorded and real."""
