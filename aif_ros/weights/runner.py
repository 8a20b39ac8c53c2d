"""Runs networks: by PyTorch or, on CPUs with the extra `fast`, by ONNX Runtime.

A runner is called as the network is, with tensors and named tuples of tensors on the CPU, and
returns what the network returns. ONNX Runtime takes less time for small images and several
processes at a time; which is faster depends on the processor, so `auto` measures both once.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from aif_ros.storage.atomic_write import write_bytes
from aif_ros.types.extras import install
from aif_ros.weights.device import ONNX_RUNTIME, ComputeDeviceError, choose_device, infer
from aif_ros.weights.engines import note_engine

# Of ONNX, of 2022: has all that the networks use.
_OPSET = 17
# Calls of each engine that are timed; the fastest counts, which other load affects least.
_CALLS = 7


class Runner(Protocol):
    """Runs a network; without gradients, from several threads at a time."""

    def __call__(self, *inputs: Any) -> Any:
        """Return its result, a tensor or a tuple of tensors, float32 on the CPU."""
        ...


def make_runner(
    name: str, network: nn.Module, device: str, example: Sequence[Any], *, bfloat16: bool = False
) -> Runner:
    """Make what runs a network.

    Args:
        name: of the network, as `NetworkKind` has it.
        network: in evaluation mode.
        device: ``cpu`` and ``cuda``: PyTorch; ``onnxruntime``: ONNX Runtime on the CPU; ``auto``:
            CUDA where there is a device for it, else what is faster on this CPU.
        example: inputs of typical size; those of images (B, C, H, W) may have any H and W later.
        bfloat16: whether PyTorch computes convolutions on the CPU with these narrower numbers.

    Raises:
        ComputeDeviceError: the device is not there, or ONNX Runtime is not installed.
    """
    if device == ONNX_RUNTIME:
        if not _has_onnx_runtime():
            raise ComputeDeviceError(
                f"device '{ONNX_RUNTIME}' needs the extra 'fast': {install('fast')}"
            )
        note_engine(name, "ONNX Runtime on cpu")
        return _OnnxRunner(network, example)
    place = choose_device(device)
    by_torch = _TorchRunner(network.to(place), bfloat16)
    if device == "auto" and place.type == "cpu" and _has_onnx_runtime():
        other, times = _fastest(name, by_torch, network, example)
        if other is not None:
            note_engine(name, f"ONNX Runtime on cpu{times}")
            return other
        note_engine(name, f"PyTorch on cpu{times}")
    else:
        note_engine(name, f"PyTorch on {place.type}")
    return by_torch


def available_devices() -> tuple[str, ...]:
    """Return the devices that networks can be computed on here, one by one, without ``auto``."""
    cuda = ("cuda",) if torch.cuda.is_available() else ()
    onnx_runtime = (ONNX_RUNTIME,) if _has_onnx_runtime() else ()
    return ("cpu", *onnx_runtime, *cuda)


def _has_onnx_runtime() -> bool:
    # PyTorch exports networks with the help of `onnx`.
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


class _TorchRunner:
    def __init__(self, network: nn.Module, bfloat16: bool) -> None:
        self._network, self._bfloat16 = network, bfloat16

    def __call__(self, *inputs: Any) -> Any:
        narrow = torch.autocast("cpu", torch.bfloat16) if self._bfloat16 else nullcontext()
        with narrow:
            return infer(self._network, *inputs)


class _OnnxRunner:
    """Keeps a session for each number of threads: PyTorch's, which the process has set."""

    def __init__(self, network: nn.Module, example: Sequence[Any]) -> None:
        self._model = _exported(network, example)
        self._session = cache(self._new_session)

    def __call__(self, *inputs: Any) -> Any:
        session = self._session(torch.get_num_threads())
        arrays = (tensor.contiguous().numpy() for tensor in _flat(inputs))
        given = session.get_inputs()
        results = session.run(
            None, {each.name: array for each, array in zip(given, arrays, strict=True)}
        )
        tensors = tuple(map(torch.from_numpy, results))
        return tensors if len(tensors) > 1 else tensors[0]

    def _new_session(self, threads: int) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        # Threads that wait in a busy loop take other processes' time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Its own store of memory keeps what the largest image so far has needed, and more.
        options.enable_cpu_mem_arena = False
        return onnxruntime.InferenceSession(
            self._model, options, providers=["CPUExecutionProvider"]
        )


class _Flattened(nn.Module):
    """A network whose named tuples are passed one tensor at a time, as files of ONNX have them."""

    def __init__(self, network: nn.Module, example: Sequence[Any]) -> None:
        super().__init__()
        self.network, self._example = network, example

    def forward(self, *tensors: Tensor) -> Any:
        remaining = iter(tensors)
        return self.network(
            *(
                next(remaining) if isinstance(each, Tensor) else type(each)(*_take(remaining, each))
                for each in self._example
            )
        )


def _take(remaining: Iterator[Tensor], like: Sequence[Tensor]) -> list[Tensor]:
    return [next(remaining) for _ in like]


def _flat(inputs: Sequence[Any]) -> list[Tensor]:
    return [tensor for each in inputs for tensor in ((each,) if isinstance(each, Tensor) else each)]


def _exported(network: nn.Module, example: Sequence[Any]) -> bytes:
    """A network as an ONNX file."""
    tensors = _flat(example)
    names = [f"input{index}" for index in range(len(tensors))]
    file = BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Deprecated, but the exporter that replaces it needs two more packages and many seconds.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Flattened(network, example).eval(),
            tuple(tensors),
            file,  # type: ignore[arg-type] # taken by the exporter without dynamo
            input_names=names,
            dynamic_axes={
                name: {2: f"rows of {name}", 3: f"columns of {name}"}
                for name, tensor in zip(names, tensors, strict=True)
                if tensor.ndim == 4
            },
            opset_version=_OPSET,
            dynamo=False,
        )
    return file.getvalue()


def _fastest(
    name: str, by_torch: Runner, network: nn.Module, example: Sequence[Any]
) -> tuple[Runner | None, str]:
    """Return ONNX Runtime where it is faster on this computer, else None; and the times as text."""
    import onnxruntime

    parameters = sum(each.numel() for each in network.parameters())
    key = ", ".join(
        [
            f"{name} of {parameters} parameters",
            f"torch {torch.__version__}",
            f"onnxruntime {onnxruntime.__version__}",
            _processor(),
            f"{torch.get_num_threads()} threads",
        ]
    )
    known = _read_cache()
    times = known.get(key)
    other = None
    if times is None:
        other = _OnnxRunner(network, example)
        times = _milliseconds(by_torch, example), _milliseconds(other, example)
        _write_cache({**known, key: times})
    text = f" (measured: PyTorch {times[0]:.1f} ms, ONNX Runtime {times[1]:.1f} ms)"
    if times[1] >= times[0]:
        return None, text
    return other or _OnnxRunner(network, example), text


def _milliseconds(run: Callable[..., Any], example: Sequence[Any]) -> float:
    run(*example)
    durations = []
    for _ in range(_CALLS):
        begun = time.perf_counter()
        run(*example)
        durations.append(1e3 * (time.perf_counter() - begun))
    return min(durations)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "processor unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "processor unknown")


def _cache_file() -> Path | None:
    """Where measured times are kept; None where the user has no folder for such files."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(chosen) if chosen else Path("~/.cache").expanduser()
    except RuntimeError:  # no home
        return None
    return folder / "aif_ros" / "engines.json"


def _read_cache() -> dict[str, tuple[float, float]]:
    file = _cache_file()
    try:
        entries = json.loads(file.read_text()) if file else {}
        return {key: (float(first), float(second)) for key, (first, second) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # missing or damaged: measured anew


def _write_cache(entries: dict[str, tuple[float, float]]) -> None:
    file = _cache_file()
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, json.dumps(entries, indent=1).encode())
    except OSError:
        pass  # a read-only home: measured at each start, which takes a fraction of a second
