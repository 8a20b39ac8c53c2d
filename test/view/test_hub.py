"""What browsers get: the newest of each kind, pictures only while the page is visible."""

import asyncio
import json

import pytest

from aif_ros.view.hub import Hub


@pytest.fixture
def received():
    """Function that returns what waits for a browser, as it would be sent."""
    with asyncio.Runner() as runner:

        async def take(client):
            return [message async for message in _until_empty(client)]

        yield lambda client: runner.run(take(client))


async def _until_empty(client):
    messages = client.messages()
    while True:
        try:
            yield await asyncio.wait_for(anext(messages), 0.05)
        except TimeoutError:
            return


@pytest.fixture
def watched():
    return []


@pytest.fixture
def hub(watched):
    return Hub(watched.append)


def kinds(messages):
    return [json.loads(each)["kind"] for each in messages if isinstance(each, str)]


def test_a_late_browser_gets_what_is_kept(hub, received):
    hub.publish("state", {"state": "running"})
    hub.publish("answer", "done", keep=False)
    messages = received(hub.join())
    assert [json.loads(each) for each in messages] == [
        {"kind": "state", "value": {"state": "running"}}
    ]


def test_a_slow_browser_gets_the_newest_picture_only(hub, received):
    client = hub.join()
    for stamp in (1, 2, 3):
        hub.show("fused", stamp, b"jpeg%d" % stamp)
    hub.show("camera", 9, b"jpeg")
    fused, camera = received(client)
    assert fused[0] == 1
    assert int.from_bytes(fused[1:9], "little") == 3
    assert fused[9:] == b"jpeg3"
    assert camera[0] == 0


def test_messages_that_are_not_kept_are_all_sent(hub, received):
    client = hub.join()
    for number in range(3):
        hub.publish("lens", number, keep=False)
    assert kinds(received(client)) == ["lens"] * 3


def test_viewers_are_reported(hub, watched, received):
    first, second = hub.join(), hub.join()
    assert watched == [True]
    first.set_visible(False)
    hub.leave(second)
    assert watched == [True, False]
    hub.show("fused", 1, b"jpeg")
    assert received(first) == []
    first.set_visible(True)
    hub.leave(first)
    assert watched == [True, False, True, False]


def test_a_second_browser_gets_the_pictures_of_the_first(hub, received):
    first = hub.join()
    hub.show("fused", 1, b"jpeg")
    second = hub.join()
    assert received(second)[0].endswith(b"jpeg")
    second.set_visible(False)
    second.set_visible(True)
    assert received(second)[0].endswith(b"jpeg")
    assert first.visible


def test_old_pictures_are_not_shown_after_a_pause(hub, received):
    client = hub.join()
    hub.show("fused", 1, b"jpeg")
    hub.leave(client)
    hub.forget_images()
    assert received(hub.join()) == []
