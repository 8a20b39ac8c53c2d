"""Model cards: what a weight file is, what it was trained on, how, and how good it is."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from aif_ros.defocus.networks import BlurNetwork
from aif_ros.training.blur_training import Settings

_PURPOSES = {
    "estimator": "tells the blur radius, in pixels, from a single image, with its uncertainty",
    "discriminator": "tells the probability that an image is blurred by no more than the depth "
    "of field (0.5 to 3 px of blur radius)",
}
_LIMITS = """- Blur of other kinds (motion, haze, coma) is no disk: the answer is a radius of like
  effect.
- A blur radius has no sign. One image cannot tell on which side of focus the lens stands.
- Photos that are soft by themselves read as blurred: the radius is that of all blur together.
- Trained on radii up to {largest:g} px of images in 8 bits with noise up to sigma 11/255; what is
  blurred more reads as about that much."""


def write_model_card(
    path: Path,
    kind: str,
    network: BlurNetwork,
    command: str,
    settings: Settings,
    photos: Sequence[Path],
    held_out: int,
    figures: Mapping[str, float],
) -> None:
    """Write the card of a network beside its weights, as Markdown.

    Args:
        path: of the card.
        kind: "estimator" or "discriminator".
        network: trained.
        command: the command that trained it.
        settings: of the training.
        photos: trained on.
        held_out: number of photos that were kept for measuring.
        figures: measured on these.
    """
    sets: dict[str, int] = {}
    for photo in photos:
        name = photo.name.split("_")[0] if "_" in photo.name else photo.parent.name
        sets[name] = sets.get(name, 0) + 1
    parameters = sum(value.numel() for value in network.parameters())
    lines = [
        f"# Blur {kind}",
        "",
        f"`{path.stem}.safetensors` {_PURPOSES[kind]}. Luma in, votes for each 32-px cell out; "
        f"{parameters:,} parameters (`aif_ros/defocus/networks.py`).",
        "",
        f"Written on {date.today().isoformat()} by",
        "",
        "    " + command,
        "",
        "## Trained on",
        "",
        f"{len(photos)} photos: " + ", ".join(f"{n} of {name}" for name, n in sets.items()) + ". "
        f"{held_out} more, chosen by a hash of their names, were never trained on.",
        "Patches were made of them by the forward model: scaled down until sharp, blurred in "
        "linear light by disks and polygons,",
        "exposure x0.25 to x2 with clipping, gamma 1.8 to 2.4, shot and read noise, 8 bits, at "
        "times JPEG, two depths, or nothing to see.",
        "",
        "## Settings",
        "",
        "```json",
        json.dumps(asdict(settings), indent=2),
        "```",
        "",
        "## Figures",
        "",
        "On held-out photos, 512 x 512 px, noise sigma 1.5/255; errors in pixels, of the 85 % of "
        "patches it is surest of, and of all."
        if kind == "estimator"
        else "On held-out photos, 512 x 512 px, noise sigma 1.5/255: radius up to 0.7 px against "
        "1.5 px and more.",
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {value:.3f} |" for name, value in figures.items()),
        "",
        "On other photos and under noise: `aif benchmark estimator --photos DIR`.",
        "",
        "## Limits",
        "",
        _LIMITS.format(largest=settings.largest),
    ]
    path.write_text("\n".join(lines) + "\n")
