"""How blurred each part of an image is, and searches that bring a window into focus."""
