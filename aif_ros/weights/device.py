"""The device that networks are computed on."""

from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

ONNX_RUNTIME = "onnxruntime"
"""Name of the device that stands for ONNX Runtime on the CPU."""


class ComputeDeviceError(ValueError):
    """The device is not there; the message says what to do."""


@cache
def choose_device(name: str) -> torch.device:
    """Return the device of that name.

    Args:
        name: ``cpu``, ``cuda``, or ``auto``: CUDA where there is a device for it, else the CPU;
            ``onnxruntime``: the CPU, for what is not worth a runner of its own (`make_runner`).

    Raises:
        ComputeDeviceError: there is no device of that name, or ``cuda`` without a CUDA device.
    """
    if name in ("cpu", ONNX_RUNTIME):
        return torch.device("cpu")
    if name not in ("auto", "cuda"):
        raise ComputeDeviceError(
            f"there is no device '{name}': choose auto, cpu, cuda or {ONNX_RUNTIME}"
        )
    if torch.cuda.is_available():
        return torch.device("cuda")
    if name == "cuda":
        raise ComputeDeviceError("there is no CUDA device for device 'cuda': use 'cpu' or 'auto'")
    return torch.device("cpu")


@cache
def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 in hardware; elsewhere it is up to eight times slower.

    PyTorch before 2.6 does not report it for CPUs: then it is false.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def infer(network: nn.Module, *inputs: Any) -> Any:
    """Run a network on its device, on a GPU in half precision, without gradients.

    Args:
        network: with its parameters on the device.
        inputs: tensors and named tuples of tensors, on the CPU.

    Returns:
        Its result, a tensor or a named tuple of tensors, float32 on the CPU.
    """
    device = next(network.parameters()).device
    with torch.inference_mode():
        if device.type == "cpu":
            return network(*inputs)
        with torch.autocast(device.type, torch.float16):
            result = network(*(_to(each, device) for each in inputs))
    if isinstance(result, Tensor):
        return result.float().cpu()
    return type(result)(*(each.float().cpu() for each in result))


def _to(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    return type(value)(*(cast(Tensor, each).to(device) for each in value))
