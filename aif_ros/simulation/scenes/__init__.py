"""Scenes of the simulated camera, with their ground truth."""
