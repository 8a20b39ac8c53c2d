"""The graph of nodes, described once, and the runners that start it."""
