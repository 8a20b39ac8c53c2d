"""Show a running pipeline in a browser, and control it there.

The page shows the camera's image, the fused image, the distance map, the focus window, the lens
position over time, the state of the loop and the diagnostics. A click on an image focuses there;
buttons start, stop and reset the loop, and choose agent and scene type. Images are made only
while a browser shows the page. The page can be opened on this computer only; with --host it can be
opened by others, who need the token in the address that is printed.

Examples:
  aif view                                 of the pipeline in this ROS domain
  aif view --namespace left --port 8081    of one of several pipelines
  aif view --host 0.0.0.0                  for other computers, protected by a token
  ros2 launch aif_ros pipeline.launch.py view:=true
"""

import os
from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from aif_ros.cli import CommandError
from aif_ros.settings.declaration import Limits
from aif_ros.settings.launch import PAGE_PORT

_NICENESS = 10


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    namespace: Annotated[str, Doc("Namespace of the pipeline.")] = ""
    host: Annotated[
        str,
        Doc("Address to listen to: 127.0.0.1 is this computer alone, 0.0.0.0 every network."),
    ] = "127.0.0.1"
    port: Annotated[int, Limits(0, 65535), Doc("Port to listen to; 0: any free one.")] = PAGE_PORT
    token: Annotated[
        str, Doc("Token that the address must hold. Empty: a new one, where one is needed.")
    ] = ""


def run(args: Arguments) -> int:
    """Serve the page until Ctrl-C."""
    from aif_ros.bringup.live_view import live_view
    from aif_ros.view.server import LOCAL, PageServer, make_app, new_token

    # A viewer must not slow the loop down where they share a computer.
    os.nice(_NICENESS)
    token = args.token or ("" if args.host in LOCAL else new_token())
    with live_view(f"/{args.namespace.strip('/')}".rstrip("/")) as view:

        def ready() -> None:
            view.connect()
            name = "localhost" if args.host in LOCAL else args.host
            query = f"?token={token}" if token else ""
            print(f"http://{name}:{server.port}/{query}", flush=True)

        app = make_app(view.hub, view.commands.carry_out, token=token)
        try:
            server = PageServer(app, args.host, args.port, ready)
        except OSError as error:
            raise CommandError(
                f"cannot listen to {args.host}, port {args.port}: {error.strerror}; "
                "choose another with --port"
            ) from error
        server.serve_page()
    return 0
