"""Weight files: safetensors whose header says which network they are for and where they come from.

A room that has a network declares its `NetworkKind` once; `save_weights` and `load_weights` do the
rest. Nothing in a file is executed, and a header cannot make the reader allocate more than the
file itself holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import torch
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from aif_ros.storage.atomic_write import write_bytes
from aif_ros.types.checked import CHECKED, field_errors, from_mapping

_KEY = "aif_ros"
_LARGEST_FILE = 1 << 28
"""Bytes; a hundred times the largest network of this package."""
_LARGEST_HEADER = 1 << 20
"""Characters; that of a network trained on 10,000 photos has 120,000."""

Network = TypeVar("Network", bound=nn.Module)


class WeightsError(ValueError):
    """A weight file that cannot be used; the message names it and says what to do."""


class NetworkKind(NamedTuple, Generic[Network]):
    """A kind of network that is kept in weight files.

    Attributes:
        name: as in `aif train NAME`.
        version: raised whenever files written before no longer mean the same.
        architecture: pydantic dataclass with bounds; the network has one as `architecture`.
        build: makes an untrained network of an architecture.
    """

    name: str
    version: int
    architecture: type[Any]
    build: Callable[[Any], Network]


@dataclass(frozen=True, config=CHECKED)
class Provenance:
    """Where weights come from.

    Attributes:
        recipe: values of the recipe they were trained by, seed included.
        commit: of the source code; several with commas in between where it was resumed.
        trained_on: fingerprints of the files they were trained on.
        command: that trained them.
        initial_sha256: of the weight file that they started from; "": from scratch.
        figures: measured at the end of the training, by name, as in the model card.
    """

    recipe: dict[str, Any] = field(default_factory=dict)
    commit: str = ""
    trained_on: tuple[str, ...] = ()
    command: str = ""
    initial_sha256: str = ""
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, config=CHECKED)
class _Header:
    # "calibration" is what files call `Weights.fitted`.
    format: Literal["aif_ros.weights.1"]
    kind: str
    version: int
    architecture: dict[str, Any]
    calibration: dict[str, Annotated[float, Field(allow_inf_nan=False)]]
    provenance: Provenance


class Weights(NamedTuple, Generic[Network]):
    """What a weight file holds.

    Attributes:
        network: ready to use, in evaluation mode, on the CPU.
        fitted: numbers fitted after the training, by name.
        provenance: where they come from.
    """

    network: Network
    fitted: dict[str, float]
    provenance: Provenance


def save_weights(
    path: str | Path,
    kind: NetworkKind[Network],
    network: Network,
    fitted: Mapping[str, float] | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write a network; the file at `path` is replaced as a whole or not at all.

    Args:
        path: of the file, ending in .safetensors.
        kind: of the network.
        network: with its `architecture`.
        fitted: numbers fitted after the training, by name.
        provenance: where the weights come from.

    Raises:
        OSError: the file cannot be written.
    """
    header = _Header(
        "aif_ros.weights.1",
        kind.name,
        kind.version,
        asdict(network.architecture),  # type: ignore[call-overload]
        dict(fitted or {}),
        provenance or Provenance(),
    )
    tensors = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    text = TypeAdapter(_Header).dump_json(header).decode()
    write_bytes(path, save(tensors, metadata={_KEY: text}))


def load_weights(path: str | Path, kind: NetworkKind[Network]) -> Weights[Network]:
    """Read a network written by `save_weights`.

    Args:
        path: of the file.
        kind: that it must hold.

    Raises:
        WeightsError: the file is missing, damaged, or for another network or version of it.
    """
    path = Path(path)
    advice = f"use one written by `aif train {kind.name}`"
    if not path.is_file():
        raise WeightsError(f"there is no weight file {path}: {advice}, or reinstall the package")
    if path.stat().st_size > _LARGEST_FILE:
        raise WeightsError(f"weight file {path} is larger than any of this package: {advice}")
    try:
        with safe_open(str(path), framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY, "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, MemoryError) as error:
        raise WeightsError(
            f"weight file {path} is damaged or not a safetensors file ({_first_line(error)}): "
            f"{advice}"
        ) from error
    if not text:
        raise WeightsError(f"weight file {path} holds another network: {advice}")
    if len(text) > _LARGEST_HEADER:
        raise WeightsError(f"weight file {path} is damaged: its header is too long: {advice}")
    try:
        header = TypeAdapter(_Header).validate_json(text)
    except ValidationError as error:
        raise WeightsError(
            f"weight file {path} is damaged ({field_errors(error)}): {advice}"
        ) from None
    if header.kind != kind.name:
        raise WeightsError(f"weight file {path} holds the {header.kind} network, not {kind.name}")
    if header.version != kind.version:
        raise WeightsError(
            f"weight file {path} is for version {header.version} of the {kind.name} network, this "
            f"is version {kind.version}: {advice}"
        )
    try:
        network = _build(kind, header.architecture, tensors)
    except ValueError as error:
        raise WeightsError(f"weight file {path} is damaged ({error}): {advice}") from None
    return Weights(network.eval(), header.calibration, header.provenance)


def _build(
    kind: NetworkKind[Network], architecture: dict[str, Any], tensors: dict[str, Tensor]
) -> Network:
    """Build a network and fill it; what the file does not hold is never allocated."""
    checked = from_mapping(kind.architecture, architecture)
    with torch.device("meta"):
        expected = kind.build(checked).state_dict()
    shapes = {name: (value.shape, value.dtype) for name, value in tensors.items()}
    if shapes != {name: (value.shape, value.dtype) for name, value in expected.items()}:
        raise ValueError("its tensors do not fit its architecture")
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise ValueError("it holds values that are not finite")
    network = kind.build(checked)
    network.load_state_dict(tensors)
    return network


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
