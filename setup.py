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


def requirements(name: str) -> list[str]:
    """Requirements of a file, without those that it takes from another file."""
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r"))]


def nodes() -> list[str]:
    """Executables of the nodes: one for each module in `aif_ros/nodes` that has a `main`."""
    return [
        f"{path.stem} = {NAME}.nodes.start:{path.stem}"
        for path in sorted((ROOT / NAME / "nodes").glob("*.py"))
        if "\ndef main(" in path.read_text()
    ]


NEURAL = ["pydantic>=2.5", "safetensors>=0.4", "torch>=2.1"]

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
            "fusion/*.jinja",
            "optics/lenses/*.yaml",
            "training/*.jinja",
            "training/recipes/*.yaml",
            "view/page/*",
        ]
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("launch"),
        *shared("config"),
    ],
    zip_safe=False,
    # Without networks and without ROS; lowest versions: those of Ubuntu 24.04 where it has them.
    install_requires=[
        "imagecodecs>=2023.9",
        "jinja2>=3.1",
        "matplotlib>=3.6",
        "numpy>=1.26",
        "opencv-python-headless>=4.6,<5",
        "pillow>=10.2",
        "psutil>=5.9",
        "pyyaml>=6.0",
        "scikit-image>=0.22",
        "scipy>=1.11",
        "tifffile>=2023.7",
        "tqdm>=4.66",
        "typing-extensions>=4.10",
        "tyro>=1.0,<2",
    ],
    extras_require={
        "neural": NEURAL,
        "fast": [*NEURAL, "onnx>=1.15", "onnxruntime>=1.17", "torch>=2.5"],
        "train": [*NEURAL, "gymnasium>=1.0", "pytorch-optimizer>=3.3", "tensorboard>=2.14"],
        "ros": requirements("requirements.txt"),
        "bag": ["mcap>=1.2", "rosbags>=0.11"],
        "view": ["fastapi>=0.110", "uvicorn>=0.27", "websockets>=12"],
        "alpaca": ["alpyca>=3.0", "requests>=2.31"],
        "serial": ["pyserial>=3.5"],
        "micro": ["bioio>=1.1", "bioio-ome-zarr>=1.0", "pymmcore-plus>=0.13"],
        "raw": ["rawpy>=0.19"],
        "test": ["hypothesis>=6.98", "pytest>=8.0"],
        "v4l2": ["linuxpy>=0.20"],
    },
    entry_points={"console_scripts": [f"aif = {NAME}.__main__:main", *nodes()]},
)
