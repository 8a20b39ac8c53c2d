"""The graph of nodes, described once, and the runners that start it.

`graph.py` describes it; `one_process.py`, `processes.py` and the launch file start it;
`supervisor.py` starts nodes again, by what `hang_detector.py` and `silent_topics.py` find.
Recording, replay and the live view of a running graph are here, too.
"""
