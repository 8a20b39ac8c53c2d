"""Agents that choose where to focus next, and when to stop."""
