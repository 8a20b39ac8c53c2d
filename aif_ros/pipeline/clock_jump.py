"""Detection of clocks that jump back: a recording played again, a corrected clock."""

# Messages can come late and out of order, but not by this much; nanoseconds.
_JUMP = 1_000_000_000


def jumped_back(newest: int, stamp: int) -> bool:
    """Whether a stamp lies so far before the newest one that the clock must have jumped back.

    Args:
        newest: highest stamp so far, nanoseconds.
        stamp: of what has just come, nanoseconds.
    """
    return stamp < newest - _JUMP


class StampOrder:
    """Accepts frames in the order of their stamps, also after their clock has jumped back.

    Example:
        >>> order = StampOrder()
        >>> [order.accept(stamp) for stamp in (10, 30, 20, 40)]
        [True, True, False, True]
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self._late: int | None = None

    def accept(self, stamp: int) -> bool:
        """Return whether a frame is newer than those accepted before.

        A single one that is not came out of order. A second one, newer than that, means that the
        clock has jumped back by less than a second: a short recording is played again.
        """
        newest, late = self._newest, self._late
        late_again = late is not None and late < stamp
        if newest is None or stamp > newest or jumped_back(newest, stamp) or late_again:
            self._newest, self._late = stamp, None
            return True
        self._late = stamp
        return False
