"""How a loop ends that has nothing more to capture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LoopEnd:
    """The end of a loop.

    Attributes:
        reason: for people.
        fault: whether the loop must not count as complete.
    """

    reason: str
    fault: bool = False

    @classmethod
    def of(cls, reason: str, image_fault: str) -> "LoopEnd":
        """Return the end that a fault in the images makes of a reason to stop.

        An agent that is shown the same image at each lens position has nothing to gain from
        another one; that it stops does not mean that the scene is in focus.

        Args:
            reason: why the loop stops, for people.
            image_fault: see `ImageWatch.fault`; empty: none.

        Example:
            >>> LoopEnd.of("all parts are in focus", "")
            LoopEnd(reason='all parts are in focus', fault=False)
            >>> LoopEnd.of("all parts are in focus", "the image does not change")
            LoopEnd(reason='the image does not change', fault=True)
        """
        return cls(image_fault or reason, bool(image_fault))
