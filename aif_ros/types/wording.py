"""Words of messages for people."""

from collections.abc import Sequence


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts.

    Args:
        count: the number.
        one: what is counted, if it is one.
        many: what is counted, if it is none or several; None: `one` with an s.

    Example:
        >>> counted(1, "slice"), counted(2, "slice"), counted(0, "slice")
        ('1 slice', '2 slices', '0 slices')
        >>> counted(1, "slice that does not match", "slices that do not match")
        '1 slice that does not match'
    """
    return f"{count} {one if count == 1 else one + 's' if many is None else many}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """Return the first few words as a list.

    Args:
        words: to list.
        most: so many of them at most.

    Example:
        >>> listed(["a", "b"]), listed(["a", "b", "c"], 2)
        ('a, b', 'a, b, ...')
    """
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")
