"""Record a running pipeline into a bag that `aif replay` and `ros2 bag` read.

Records the camera's images, lens states, commands, defocus maps, decisions and state, and the
parameters and the calibration of the pipeline: all that is needed to make its decisions again
elsewhere. Ends when the loop has stopped by itself, or at Ctrl-C. The bag is a folder with one MCAP
file; of a recording that was killed, everything up to the last megabyte can still be replayed.

Examples:
  aif record out/failure --restart         restart the loop and record until it has stopped
  aif record out/failure --forever         record until Ctrl-C, start before the pipeline's loop
  aif replay out/failure                   make its decisions again
  ros2 bag info out/failure                it is a bag like any other
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile, write_json
from aif_ros.settings.declaration import Limits


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    bag: Annotated[
        Path, tyro.conf.Positional, tyro.conf.arg(metavar="BAG"), Doc("Folder of the bag to make.")
    ]
    namespace: Annotated[str, Doc("Namespace of the pipeline.")] = ""
    restart: Annotated[
        bool,
        Doc("Restart the loop first. Only complete runs of the loop can be replayed."),
    ] = False
    fused: Annotated[bool, Doc("Record the fused images, too.")] = False
    forever: Annotated[bool, Doc("Continue after the loop has stopped, until Ctrl-C.")] = False
    timeout: Annotated[
        float,
        tyro.conf.arg(metavar="SECONDS"),
        Limits(0.0, 1e9),
        Doc("End after this time."),
    ] = 3600.0
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Record."""
    from aif_ros.bringup.bag_recording import recording_bag
    from aif_ros.bringup.graph import Graph
    from aif_ros.bringup.loop_restart import LoopRestart
    from aif_ros.bringup.observer import observe

    namespace = f"/{args.namespace.strip('/')}" if args.namespace.strip("/") else ""
    with (
        observe(Graph((), namespace, ())) as running,
        recording_bag(running, args.bag, fused=args.fused) as recorder,
    ):
        try:
            if args.restart:
                LoopRestart(running).restart()
            print("Recording; Ctrl-C ends it.", flush=True)
            running.spin_until(
                lambda: recorder.error is not None or (running.stopped and not args.forever),
                args.timeout,
            )
            # Messages that belong to the last decision arrive later.
            running.spin_until(lambda: False, 0.5)
        except KeyboardInterrupt:
            pass
    if not recorder.messages:
        raise CommandError("nothing was published")
    print(f"{args.bag}: {recorder.messages - recorder.dropped} messages")
    if recorder.dropped:
        print(f"{recorder.dropped} messages were lost: the disk is too slow")
    write_json(
        {"bag": str(args.bag), "messages": recorder.messages, "dropped": recorder.dropped},
        args.json,
    )
    return 0
