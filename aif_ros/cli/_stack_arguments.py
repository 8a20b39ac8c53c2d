"""Arguments of `aif stack`, and the checks of the files that they name."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import CommandError, JsonFile
from aif_ros.cli._stack_options import Channel, Series, Time
from aif_ros.settings import nodes
from aif_ros.settings.declaration import Limits

NAME = "{name}"
"""Stands in an output for the name of the stack."""


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    slices: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE|FOLDER"),
        Doc("The slices, in focus order; a folder, or a file, with all of them."),
    ]
    output: Annotated[
        str,
        tyro.conf.arg(metavar="FILE|FOLDER", aliases=("-o",)),
        Doc("Fused image to write: .png, .tif or .jpg; in a folder: NAME.png. Required."),
    ] = ""
    method: nodes.FusionMethod = "laplacian"
    no_align: Annotated[bool, Doc("The slices are registered already: do not register them.")] = (
        False
    )
    no_exposure: Annotated[
        bool, Doc("Keep the exposure and white balance of each slice: do not match them.")
    ] = False
    crop: Annotated[bool, Doc("Cut off the borders that not all slices show (drift).")] = False
    channel: Channel = None
    time: Time = None
    series: Series = None
    bits: Annotated[
        int,
        Limits(0, 16),
        Doc(
            "Bits in use of each sample, for instance 12 of the 16 in the file; 0: as the files "
            "say, else recognised by the largest sample."
        ),
    ] = 0
    preview: Annotated[
        bool, Doc("First fuse at a quarter of the size, and write it as NAME.preview.jpg.")
    ] = False
    focus_map: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "Also write a grey image of the slice that each pixel comes from, with 16 bits in a "
            ".png or .tif: black the first, white the last."
        ),
    ] = None
    relief: Annotated[
        str | None,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "Also write the focus map as a coloured relief: .html, a page on which to turn it, or "
            ".ply, for MeshLab or Blender."
        ),
    ] = None
    report: Annotated[
        str | None,
        tyro.conf.arg(metavar="FOLDER"),
        Doc(
            "Also write a page (report.html) with the result, the focus map, the registration, and "
            "a magnifier that compares the result with any slice."
        ),
    ] = None
    device: nodes.Device = "auto"
    json: JsonFile = None

    def named(self, name: str) -> "Arguments":
        """Return the arguments for one stack, with its name in all outputs."""
        output = self.output
        if is_folder(output):
            output = str(Path(output) / f"{NAME}.png")
        others = (self.focus_map, self.relief, self.report, self.json)
        focus_map, relief, report, json = (each and each.replace(NAME, name) for each in others)
        return replace(
            self,
            output=output.replace(NAME, name),
            focus_map=focus_map,
            relief=relief,
            report=report,
            json=json,
        )

    @contextmanager
    def folders_of(self, named: "Arguments") -> Iterator[None]:
        """Make the folders that are named as such, or for each stack, for the time of the block.

        They stay if something has been written to them.

        Args:
            named: the same arguments for one stack, see `named`.

        Raises:
            OSError: a folder cannot be made.
        """
        from aif_ros.storage.atomic_write import folder_kept_if_used

        with ExitStack() as made:
            for given, output in (
                (self.output, named.output),
                (self.focus_map, named.focus_map),
                (self.relief, named.relief),
            ):
                if given and output and (is_folder(given) or NAME in given):
                    made.enter_context(folder_kept_if_used(Path(output).parent))
            yield

    def check_outputs(
        self, size: tuple[int, int] | None = None, *, sixteen_bit: bool = True
    ) -> None:
        """Check that everything can be written, before work is done for it.

        Raises:
            DeviceError, OSError: as `check_image_output` and `check_writable`.
        """
        from aif_ros.devices.image_files import check_image_output
        from aif_ros.fusion.relief import SUFFIXES as RELIEF_SUFFIXES
        from aif_ros.storage.atomic_write import check_folder, check_writable

        named = [
            Path(output).resolve()
            for output in (self.output, self.focus_map, self.relief, self.json)
            if output not in (None, "-")
        ]
        for output in named:
            if named.count(output) > 1:
                raise CommandError(f"{output} is named twice as an output")
        for image in filter(None, (self.output, self.focus_map)):
            check_image_output(image, size, sixteen_bit=sixteen_bit)
        if self.preview:
            _refuse_other_files([self.preview_path])
            check_image_output(self.preview_path)
        if self.relief:
            if Path(self.relief).suffix.lower() not in RELIEF_SUFFIXES:
                raise CommandError(f"cannot write {self.relief}: a relief is a .ply or .html")
            check_writable(self.relief)
        if self.report:
            folder = Path(self.report)
            pictures = (folder / "result.jpg", folder / "focus_map.png")
            _refuse_other_files([*pictures, *(folder / "slices").glob("*.jpg")])
            check_folder(folder)

    @property
    def preview_path(self) -> Path:
        """Where the preview is written, beside the fused image."""
        return Path(self.output).with_suffix(".preview.jpg")


def _refuse_other_files(paths: Iterable[Path]) -> None:
    """Refuse to overwrite files that were not named, unless this program has written them."""
    from aif_ros.devices.image_files.metadata import software_of

    for path in paths:
        if path.exists() and not software_of(path).startswith("aif_ros"):
            raise CommandError(f"{path} exists and was not written by aif_ros: move it away")


def is_folder(output: str) -> bool:
    """Whether an output is a folder to write to."""
    return output.endswith("/") or Path(output).is_dir()
