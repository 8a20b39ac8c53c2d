"""Runs shinestacker, which has no command line of its own, in the Python that it is installed in.

usage: PYTHON run_shinestacker.py OUTPUT SLICE...
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
from shinestacker.algorithms import (
    AlignFrames,
    CombinedActions,
    FocusStack,
    PyramidStack,
    StackJob,
)

output, *slices = sys.argv[1:]
with TemporaryDirectory() as folder:
    source = Path(folder, "slices")
    source.mkdir()
    for index, file in enumerate(slices):
        # It takes the slices in the order of their names, and no grey ones.
        place = source / f"{index:06}{Path(file).suffix}"
        image = cv2.imread(file, cv2.IMREAD_UNCHANGED)
        if image.ndim == 2:
            cv2.imwrite(str(place), cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        else:
            place.symlink_to(Path(file).resolve())
    job = StackJob("job", folder, input_path="slices")
    job.add_action(CombinedActions("align", [AlignFrames()]))
    job.add_action(FocusStack("stack", PyramidStack()))
    job.run()
    (result,) = Path(folder, "stack").iterdir()
    cv2.imwrite(output, cv2.imread(str(result), cv2.IMREAD_UNCHANGED))
