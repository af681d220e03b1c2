"""A real Chromium, driven through its DevTools protocol over a pipe: no driver program, no port, no further package.

Rule: a test waits for what it wants to see (`until`), never for a time. What the page throws, logs as an error, or breaks of its security policy
is kept in `troubles`.
Limit: one page at a time; Chromium has to be on the machine (Debian: `apt-get install chromium`).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_S: Final = 120.0
_KEYS: Final[Mapping[str, tuple[int, str]]] = {
    "Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), " ": (32, " "), "Home": (36, ""), "End": (35, ""), "PageUp": (33, ""), "PageDown": (34, ""),
    "ArrowLeft": (37, ""), "ArrowUp": (38, ""), "ArrowRight": (39, ""), "ArrowDown": (40, ""),
}  # fmt: skip
_ARGUMENTS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--hide-scrollbars", "--mute-audio",
    "--force-color-profile=srgb", "--font-render-hinting=none", "about:blank",
)  # fmt: skip


def find_chromium() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class PageError(AssertionError):
    """The page, or the browser, did not do what was asked."""


class Pipe:
    """Messages of the protocol: JSON, each ended by a zero byte."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd
        self._buffer = b""

    def send(self, message: Mapping[str, Any]) -> None:
        left = json.dumps(message).encode() + b"\0"
        while left:
            left = left[os.write(self._write_fd, left) :]

    def receive(self, deadline: float) -> dict[str, Any] | None:
        """The next message; None when there is none until the deadline."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read_fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            chunk = os.read(self._read_fd, 1 << 16)
            if not chunk:
                raise PageError("Chromium has gone.")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


class Browser:
    """One Chromium with one page."""

    def __init__(self, pipe: Pipe, downloads: Path) -> None:
        self._pipe, self._number, self._session = pipe, 0, ""
        self.downloads = downloads
        self.troubles: list[str] = []
        self._context = ""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the page (or of the browser, while there is none), and its result."""
        self._number += 1
        number, deadline = self._number, time.monotonic() + ANSWER_S
        self._pipe.send({"id": number, "method": method, "params": parameters} | ({"sessionId": self._session} if self._session else {}))
        while (message := self._pipe.receive(deadline)) is not None:
            if message.get("id") == number:
                if "error" in message:
                    raise PageError(f"{method}: {message['error']['message']}")
                result: dict[str, Any] = message["result"]
                return result
            self._heard(message)
        raise PageError(f"{method}: no answer within {ANSWER_S} s")

    def new_page(self, width: int = 1280, height: int = 900, *, scale: float = 1.0) -> None:
        """A page without cookies, storage or history, in place of the one before."""
        self._session = ""
        if self._context:
            self.call("Target.disposeBrowserContext", browserContextId=self._context)
        self._context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self.call("Browser.setDownloadBehavior", behavior="allow", browserContextId=self._context, downloadPath=str(self.downloads))
        session: str = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = session
        self.troubles = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height, scale=scale)
        self.media({"prefers-color-scheme": "light", "prefers-reduced-motion": "reduce"})
        self.call("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def size(self, width: int, height: int, *, scale: float = 1.0) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def media(self, features: Mapping[str, str], medium: str = "") -> None:
        self.call("Emulation.setEmulatedMedia", media=medium, features=[{"name": name, "value": value} for name, value in features.items()])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def until(self, script: str, within_s: float = 90.0) -> Any:
        """The value of the expression once it is true for JavaScript (an element is)."""
        deadline = time.monotonic() + within_s
        while not (value := self.run(f"((value) => value instanceof Node ? true : value)({script})")):
            if time.monotonic() > deadline:
                raise PageError(f"not so within {within_s} s: {script}; troubles: {self.troubles}; the page says: {self.text()[:600]}")
            time.sleep(0.02)
        return value

    def text(self, selector: str = "body") -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str) -> None:
        """As a pointer does: in the middle of the first element that matches and is seen."""
        x, y = self.middle(selector)
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        script = f"""(() => {{
            const found = [...document.querySelectorAll({json.dumps(selector)})].find((each) => each.getClientRects().length);
            if (!found) return null;
            found.scrollIntoView({{block: "nearest", behavior: "instant"}});
            const box = found.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
        x, y = self.until(script)
        return float(x), float(y)

    def point(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, *keys: str) -> None:
        for key in keys:
            code, text = _KEYS[key]
            common = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **({"clip": self._whole()} if whole else {}))["data"]
        path.write_bytes(base64.b64decode(data))

    def paper(self) -> bytes:
        """The page as a printer gets it: PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def _whole(self) -> dict[str, float]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _heard(self, message: Mapping[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.troubles.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Raises PageError when there is no Chromium: ask `find_chromium` first."""
    program = find_chromium()
    if program is None:
        raise PageError("There is no Chromium here: apt-get install chromium.")
    with TemporaryDirectory(prefix="quarterhour-chromium-", ignore_cleanup_errors=True) as place:
        downloads = Path(place, "downloads")
        downloads.mkdir()
        to_child_read, to_child_write = os.pipe()
        from_child_read, from_child_write = os.pipe()
        # Chromium reads descriptor 3 and writes descriptor 4; the shell puts ours there, whatever their numbers are.
        command = f'exec "$0" "$@" 3<&{to_child_read} 4>&{from_child_write}'
        process = subprocess.Popen(
            ["/bin/bash", "-c", command, program, f"--user-data-dir={place}/profile", *_ARGUMENTS],
            pass_fds=(to_child_read, from_child_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_child_read)
        os.close(from_child_write)
        try:
            browser = Browser(Pipe(from_child_read, to_child_write), downloads)
            yield browser
        finally:
            os.close(to_child_write)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(from_child_read)
