"""The measure of the soak trial."""

from soak import steady_growth


def test_steady_growth():
    leak = [100 + 3 * index for index in range(12)]
    assert steady_growth(leak) == 24
    steps = [[100] * before + [120] * (12 - before) for before in range(13)]
    assert [steady_growth(step) for step in steps] == [0] * 13
    assert steady_growth([100, 110, 120, 130] * 6) == 0
