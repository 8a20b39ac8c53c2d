"""Errors of libraries, which may take many lines, as part of a message."""

# Characters; a longer message says no more about the file.
_LONGEST = 300


def one_line(error: Exception) -> str:
    r"""Return the text of an error on one line, shortened; without a text, its type.

    Example:
        >>> one_line(ValueError("not a TIFF file:\n  header"))
        'not a TIFF file: header'
        >>> one_line(EOFError())
        'EOFError'
    """
    return " ".join((str(error) or type(error).__name__).split())[:_LONGEST]
