"""Real servers on this machine, one of which is always up to something, and what they serve."""

import threading
import time
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = sha256(CONTENT).hexdigest()


class Host(ThreadingHTTPServer):
    """Serves `content`, at most `most` bytes an answer, a block each `pause` seconds."""

    daemon_threads = True

    def __init__(self, content=CONTENT, most=10**9, pause=0.0, ranges=True, slow_headers=False):
        super().__init__(("127.0.0.1", 0), Answer)
        self.slow_headers = slow_headers
        self.content, self.most, self.pause, self.ranges, self.asked = content, most, pause, ranges, []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/w"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        host, asked = self.server, self.headers.get("Range")
        host.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and host.ranges else 0
        body = host.content[start:]
        for _ in range(40 * host.slow_headers):
            self.wfile.write(b"H")
            time.sleep(0.05)
        self.send_response(206 if asked and host.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for at in range(0, min(len(body), host.most), 1 << 16):
                self.wfile.write(body[at : min(at + (1 << 16), host.most)])
                time.sleep(host.pause)
        except OSError:  # the other side was killed
            pass

    def log_message(self, *_):
        pass


DEAD = "http://127.0.0.1:9/w"  # nobody listens at the port of discard


def whole(path):
    return path.read_bytes() == CONTENT and not list(path.parent.glob(".*.part"))
