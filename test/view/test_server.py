"""The page over HTTP and WebSocket, and who may use it."""

import asyncio
import contextlib
import threading
import urllib.request

import pytest
from patience import PATIENCE
from real_browser import needs_browser, open_page
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from aif_ros.view.hub import Hub
from aif_ros.view.server import PageServer, make_app, new_token

LOCAL = "http://localhost:8080"


@pytest.fixture
def commands():
    return []


@pytest.fixture
def hub():
    return Hub(lambda watched: None)


@pytest.fixture
def browser(hub, commands):
    """Makes a client of an application with a token."""

    async def command(name, fields):
        commands.append((name, dict(fields)))
        if name == "explode":
            raise ValueError("there is no command 'explode'")
        if name == "break":
            raise RuntimeError("a defect")
        await asyncio.sleep(0)
        return True, f"{name} done"

    with contextlib.ExitStack() as stack:

        def make(token="", address=LOCAL):
            app = make_app(hub, command, token=token)
            return stack.enter_context(TestClient(app, base_url=address))

        yield make


def live(host="localhost:8080"):
    return f"ws://{host}/live"


def test_the_page_and_its_files(browser):
    client = browser()
    page = client.get("/")
    assert page.status_code == 200
    assert "All-in-focus image" in page.text
    for file in ("page.js", "page.css"):
        assert f"page/{file}" in page.text
        assert client.get(f"/page/{file}").status_code == 200


def test_values_and_pictures_come_by_websocket(hub, browser):
    hub.publish("state", {"state": "running"})
    with browser().websocket_connect(live()) as socket:
        assert socket.receive_json() == {"kind": "state", "value": {"state": "running"}}


def test_commands_are_answered(browser, commands):
    with browser().websocket_connect(live()) as socket:
        socket.send_json({"command": "focus", "x": 3, "y": 4})
        assert socket.receive_json()["value"] == {
            "command": "focus",
            "success": True,
            "message": "focus done",
        }
        assert commands == [("focus", {"command": "focus", "x": 3, "y": 4})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"command": "explode"}, "no command 'explode'"),
        ({"command": "break"}, "a defect"),
        ([1], "not a command"),
        ({}, "not a"),
    ],
    ids=str,
)
def test_wrong_commands_are_answered_too(browser, content, message):
    with browser().websocket_connect(live()) as socket:
        socket.send_json(content)
        value = socket.receive_json()["value"]
        assert not value["success"]
        assert message in value["message"]


@pytest.mark.parametrize("path", ["/", "/page/page.js"])
def test_without_the_token_nothing_is_shown(browser, path):
    client = browser("secret", "http://10.0.0.1:8080")
    assert client.get(path).status_code == 403
    assert client.get(f"{path}?token=guess").status_code == 403
    assert client.get(f"{path}?token=secret").status_code == 200


def test_the_page_brings_the_token_to_its_files_and_the_websocket(browser):
    client = browser("secret", "http://10.0.0.1:8080")
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(live("10.0.0.1:8080")):
        pass
    assert client.get("/?token=secret").status_code == 200
    assert client.get("/page/page.js").status_code == 200
    with client.websocket_connect(live("10.0.0.1:8080")):
        pass


def test_pages_of_other_sites_are_refused(browser):
    client = browser()
    foreign = {"origin": "http://elsewhere.example"}
    assert client.get("/", headers=foreign).status_code == 403
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(live(), headers=foreign),
    ):
        pass
    with client.websocket_connect(live(), headers={"origin": LOCAL}):
        pass


def test_a_foreign_name_of_this_computer_is_refused(browser):
    assert browser(address="http://rebound.example").get("/").status_code == 403


def test_tokens_differ():
    assert len({new_token() for _ in range(10)}) == 10
    assert len(new_token()) >= 20


@pytest.fixture
def server(hub):
    """A server that serves until the end of the test."""

    async def command(name, fields):
        return True, ""

    ready = threading.Event()
    server = PageServer(make_app(hub, command), "127.0.0.1", 0, ready.set)
    thread = threading.Thread(target=server.serve_page)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield server
    finally:
        server.stop()
        thread.join()


def test_the_server_serves_and_ends(hub, server):
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=PATIENCE) as page:
        assert page.status == 200
    with pytest.raises(OSError, match="in use"):
        PageServer(make_app(hub, None), "127.0.0.1", server.port, lambda: None)


@needs_browser
def test_a_browser_shows_why_a_result_is_in_doubt(hub, server):
    state = {"state": "stopped", "reason": "nothing to gain", "doubt": "does the lens move?"}
    hub.publish("state", state)
    with open_page(f"http://127.0.0.1:{server.port}/") as page:
        page.wait_for_selector("#state.stopped")
        assert page.inner_text("#reason") == "nothing to gain"
        assert page.inner_text("#doubt") == "does the lens move?"
