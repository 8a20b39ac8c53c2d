"""Merging frames of different focus into one all-in-focus image."""
