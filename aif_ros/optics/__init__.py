"""The calibrated lens and how it renders a scene."""
