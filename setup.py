"""Build description for colcon (ament_python) and pip."""

import ast
from pathlib import Path

from setuptools import find_packages, setup

NAME = "aif_ros"
# colcon --symlink-install runs this file through a link from its build folder.
ROOT = Path(__file__).resolve().parent


def version() -> str:
    """Version of the package, read without importing it."""
    for line in (ROOT / NAME / "__init__.py").read_text().splitlines():
        if line.startswith("__version__"):
            return str(ast.literal_eval(line.partition("=")[2].strip()))
    raise RuntimeError("no __version__ in the package")


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """Files below `folder` as setuptools' data files in the package's share."""
    files: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            relative = path.relative_to(ROOT)
            files.setdefault(f"share/{NAME}/{relative.parent}", []).append(str(relative))
    return list(files.items())


def nodes() -> list[str]:
    """Executables of the nodes: one for each module in `aif_ros/nodes` that has a `main`."""
    return [
        f"{path.stem} = {NAME}.nodes.start:{path.stem}"
        for path in sorted((ROOT / NAME / "nodes").glob("*.py"))
        if "\ndef main(" in path.read_text()
    ]


setup(
    name=NAME,
    version=version(),
    description="An all-in-focus camera: fusion, autofocus and focus control in a closed loop",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    author="The aif_ros developers",
    maintainer="The aif_ros developers",
    maintainer_email="maintainers@users.noreply.example.org",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: [
            "py.typed",
            "weights/*",
            "benchmarks/*.jinja",
            "cli/*.jinja",
            "optics/lenses/*.yaml",
            "training/*.jinja",
            "training/recipes/*.yaml",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("launch"),
        *shared("config"),
    ],
    zip_safe=False,
    # What is not in ROS; rclpy and the messages come from ROS or from requirements.txt.
    install_requires=[
        "gymnasium",
        "imagecodecs",
        "jinja2",
        "matplotlib",
        "numpy",
        "pillow",
        "psutil",
        "pydantic>=2",
        "pyyaml",
        "safetensors",
        "scikit-image",
        "scipy",
        "tensorboard",
        "tifffile",
        "torch",
        "tqdm",
        "typing-extensions>=4.6",
        "tyro>=1.0,<2",
    ],
    extras_require={
        "micro": ["bioio", "bioio-ome-zarr"],
        "raw": ["rawpy"],
        "test": ["hypothesis", "pytest"],
    },
    entry_points={"console_scripts": [f"aif = {NAME}.__main__:main", *nodes()]},
)
