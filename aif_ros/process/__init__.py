"""The process itself: signals, threads, its parent."""
