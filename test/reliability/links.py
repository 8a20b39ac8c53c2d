"""Camera and lens on one computer, all other nodes on another, and a bad network between them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import SMALL, domain, seconds_since
from lossy_link import LinkError, lossy_link
from trial import Outcome, Trial

from aif_ros.bringup.graph import Graph, pipeline_graph
from aif_ros.settings.pipeline import PipelineSettings

_ROOT = Path(__file__).resolve().parents[2]
_LOSS, _DELAY = 0.02, 0.02
# Seconds until the loop must be closed, and until the trial ends.
_CLOSED, _END = 15.0, 60.0
_PROFILE = {
    "FASTRTPS_DEFAULT_PROFILES_FILE": str(_ROOT / "config" / "dds" / "lossy_network_jazzy.xml"),
    "FASTDDS_DEFAULT_PROFILES_FILE": str(_ROOT / "config" / "dds" / "lossy_network_kilted.xml"),
    "RMW_FASTRTPS_USE_QOS_FROM_XML": "1",
}
# Environment and image transport of each way to try.
WAYS = {
    "default": ({}, "raw"),
    "shipped profile, compressed": (_PROFILE, "compressed"),
    "LARGE_DATA": ({"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, "raw"),
    "shipped profile": (_PROFILE, "raw"),
}
# With the others it suffices that the loss is named.
_MUST_CLOSE = ("shipped profile, compressed", "LARGE_DATA")
# Supervises nodes that run elsewhere; prints the time at which the loop makes its first decision,
# and what the nodes report.
_OBSERVER = """
import json, sys, time
from diagnostic_msgs.msg import DiagnosticArray
from aif_ros.bringup.graph import Graph, NodeSpec
from aif_ros.bringup.lifecycle import Member
from aif_ros.bringup.observer import observe

namespace, seconds, *names = sys.argv[1:]
graph = Graph(tuple(NodeSpec(name, "") for name in names), namespace, ())
faults = {}

def hear(message):
    for each in message.status:
        if each.level != each.OK:
            faults[each.name] = each.message

with observe(graph) as running:
    running.node.create_subscription(DiagnosticArray, "/diagnostics", hear, 10)
    members = [Member(running.node, graph.full_name(spec)) for spec in graph.nodes]
    start = time.monotonic()

    def step():
        may_activate = True
        for member in members:
            member.step(time.monotonic() - start, may_activate=may_activate)
            may_activate &= member.active

    running.check = step
    up = running.spin_until(lambda: not any(each.starting for each in members), 300.0)
    begin = time.monotonic()
    closed = running.spin_until(
        lambda: running.state is not None and running.state.frames_captured > 0, float(seconds)
    )
    result = {"up": up, "closed": time.monotonic() - begin if closed else None, "faults": faults}
    print(json.dumps(result))
"""


def _run(way: str, folder: Path) -> dict[str, object]:
    environment, transport = WAYS[way]
    parameters = folder / "parameters.yaml"
    parameters.write_text(
        f"/**:\n  ros__parameters:\n    frame_rate: 5.0\n    image_transport: {transport}\n"
    )
    settings = PipelineSettings(
        **{**SMALL, "width": 640, "namespace": f"link{os.getpid()}", "params_file": str(parameters)}
    )
    graph: Graph = pipeline_graph(settings)
    paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | environment | {"PYTHONPATH": paths, "ROS_DOMAIN_ID": domain()}
    with lossy_link(_LOSS, _DELAY) as link:
        nodes = []
        try:
            for node in graph.nodes:
                words = [sys.executable, "-m", "aif_ros.nodes.start", node.executable]
                words = link.command(
                    int(node.name in ("camera", "lens")), [*words, *graph.ros_arguments(node)]
                )
                with (folder / f"{way} {node.name}.log").open("wb") as log:
                    nodes.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
            observer = [sys.executable, "-c", _OBSERVER, graph.namespace, str(_END)]
            names = [node.name for node in graph.nodes]
            done = subprocess.run(
                link.command(0, [*observer, *names]),
                env=environment,
                capture_output=True,
                text=True,
                timeout=8 * _END,
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith('{"up"')]
            output = done.stdout + done.stderr
            result = json.loads(lines[0]) if lines else {"error": output[-500:]}
            return result | {"packets": link.packets, "lost": link.lost}
        finally:
            for process in nodes:
                process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 10.0
            for process in nodes:
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()


def lose(count: int, numbers: random.Random, folder: Path) -> Outcome:
    """Bring the pipeline up over the link, each way in turn."""
    outcome = Outcome(count)
    times: dict[str, list[str]] = {}
    for index in range(count):
        way = list(WAYS)[(index + 1) % len(WAYS)]
        begin = time.monotonic()
        try:
            result = _run(way, folder)
        except LinkError as error:
            return Outcome(skipped=str(error))
        except subprocess.TimeoutExpired:
            result = {"error": f"nothing in {seconds_since(begin):.0f} s"}
        closed, faults = result.get("closed"), result.get("faults", {})
        times.setdefault(way, []).append("never" if closed is None else f"{closed:.1f} s")
        if closed is not None:
            if closed > _CLOSED:
                outcome.missed.append(f"{index} {way}: closed after {closed:.1f} s")
            continue
        assert isinstance(faults, dict)
        named = any("network loses" in fault or "lost" in fault for fault in faults.values())
        if way in _MUST_CLOSE or not named:
            outcome.failures.append(f"{index} {way}: {result}")
    outcome.figures = {way: "closed after " + ", ".join(each) for way, each in times.items()}
    return outcome


LINK = Trial(
    "2 % loss, 20 ms, 640 px",
    "loop closes in <= 15 s by LARGE_DATA, and by JPEGs with the shipped profile; else the loss is "
    "named",
    12,
    1,
    lose,
)
