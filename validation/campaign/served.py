"""A review in a process of its own, over a real socket, to be spoken to, stalled and killed."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that a shell started with & has it ignored
from videotcav.review_app import connection, launch
connection.SLOWEST_HEAD_SECONDS = float(sys.argv[2])
launch(sys.argv[1], open_browser=False)
"""


class Served:
    """A review in a process of its own, and how to talk to it."""

    def __init__(self, folder: Path, *, slowest_head_seconds: float = 10.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", COMMAND, folder, str(slowest_head_seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        link = self.process.stdout.readline().strip()
        self.port, self.token = int(link.split(":")[2].split("/")[0]), link.partition("token=")[2]

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def end(self, by: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(by)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err
