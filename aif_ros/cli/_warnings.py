"""Warnings of commands."""

import sys


def print_warnings(*texts: str) -> None:
    """Print each text that is not empty as a warning, on standard error."""
    for text in filter(None, texts):
        print(f"warning: {text}", file=sys.stderr)
