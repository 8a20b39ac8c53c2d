"""Make the decisions of a recorded run again and compare them.

Runs fusion, blur estimator and focus-control agent on the frames and lens states of a bag that
`aif record` has written, and compares each lens position decided on with the recorded one. The
parameters and the calibration are those of the recording. Ends with code 1 where a decision
differs: by another version of this package, or by parts that were replaced on purpose.

Examples:
  aif replay out/failure                     by the library loop
  aif replay out/failure --ros               by the ROS 2 nodes, step by step
  aif replay out/failure --agent planner     what would another agent have done?
  aif replay out/failure --json -            the result as JSON
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile, write_json
from aif_ros.settings.pipeline import AgentChoice, EstimatorChoice, FusionChoice

if TYPE_CHECKING:
    from aif_ros.pipeline.replay import ReplayedDecision


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    bag: Annotated[
        Path,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="BAG"),
        Doc("Folder of the bag, or its MCAP file."),
    ]
    ros: Annotated[
        bool,
        Doc("Run the ROS 2 nodes instead of the library."),
    ] = False
    agent: Annotated[AgentChoice, Doc("Another focus-control agent.")] = ""
    fusion: Annotated[FusionChoice, Doc("Another fusion method.")] = ""
    estimator: Annotated[EstimatorChoice, Doc("Another blur estimator.")] = ""
    json: JsonFile = None


def run(args: Arguments) -> int:
    """Replay."""
    from aif_ros.bringup.bag_replay import Parts, read_run, replay_by_library
    from aif_ros.bringup.bag_replay_nodes import replay_by_nodes

    recorded = read_run(args.bag)
    if recorded.bag.truncated:
        print(f"{args.bag} is incomplete: the recording was interrupted")
    if recorded.unknown:
        print(f"{recorded.unknown} decisions of a run that began before the recording are left out")
    replay = replay_by_nodes if args.ros else replay_by_library
    resolution = recorded.lens_model.position_resolution
    decisions: list[dict[str, Any]] = []
    for decision in replay(recorded, Parts(args.agent, args.fusion, args.estimator)):
        same = decision.same(resolution)
        _print(len(decisions) + 1, decision, same)
        decisions.append(
            {
                "stamp": decision.recorded.evidence[-1].stamp,
                "recorded_m": decision.recorded.target,
                "replayed_m": decision.target,
                "reason": decision.reason,
                "same": same,
            }
        )
    expected = len(recorded.schedule.decisions)
    equal = sum(decision["same"] for decision in decisions)
    print(f"{equal} of {expected} decisions are the same")
    if len(decisions) < expected:
        print(f"{expected - len(decisions)} could not be made again")
    write_json(
        {
            "bag": str(args.bag),
            "recorded_by": recorded.settings.version,
            "by": "nodes" if args.ros else "library",
            "decisions": decisions,
            "same": equal,
            "recorded": expected,
        },
        args.json,
    )
    return 0 if equal == expected else 1


def _print(number: int, decision: "ReplayedDecision", same: bool) -> None:
    def place(target: float | None) -> str:
        return "stop" if target is None else f"{1e6 * target:.1f} µm"

    line = f"  {number:3}  {place(decision.recorded.target):>10}"
    line += "" if same else f"  now {place(decision.target)}"
    print(f"{line}  {decision.reason}", flush=True)
