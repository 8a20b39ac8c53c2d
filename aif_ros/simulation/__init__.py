"""The simulated camera: renderer, scenes, sensor and lens. Owns all ground truth."""
