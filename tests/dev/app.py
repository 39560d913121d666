"""A program as `pando dev` starts it, in Python: it answers on the socket it is handed, says READY=1, and does what no
pando app does: streams of events, pages in pieces, answers before the question is over."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

gone = threading.Event()
PAGE = b"<!doctype html><html><body><p>hello</p></BoDy></html>"


def die():
    """As if somebody else had killed it: nothing says which request it was."""
    with open("died", "a") as f:
        f.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log_message = lambda *_: None

    def reply(self, body, kind="text/plain", status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def begin_chunks(self, kind, **headers):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/") or "page"
        getattr(self, "get_" + path.replace("-", "_"))()

    do_HEAD = do_GET

    def get_page(self):
        self.reply(PAGE, "text/html; charset=utf-8", ETag='"x"', Cache_Control="max-age=60")

    def get_strict(self):
        self.reply(PAGE, "text/html", Content_Security_Policy="default-src 'none'; script-src 'nonce-x'")

    def get_own_scripts(self):
        self.reply(PAGE, "text/html", Content_Security_Policy="default-src 'self'; img-src *")

    def get_coded(self):
        self.reply(PAGE, "text/html", Content_Encoding="x-odd")

    def get_fragment(self):
        self.reply(b"<p>part</p>", "text/html", ETag='"x"')

    def get_pieces(self):
        self.begin_chunks("text/html")
        for i in range(len(PAGE)):
            self.chunk(PAGE[i:i + 1])
        self.wfile.write(b"0\r\n\r\n")

    def get_events(self):
        self.begin_chunks("text/event-stream")
        for i in range(1000):
            self.chunk(b"data: %d\n\n" % i)
            time.sleep(0.02)

    def get_watched(self):
        """Writes until nobody reads any more."""
        gone.clear()
        self.begin_chunks("text/plain")
        try:
            while True:
                self.chunk(b"x" * 1000)
                time.sleep(0.01)
        except OSError:
            gone.set()
        self.close_connection = True

    def get_gone(self):
        self.reply(b"yes" if gone.wait(10) else b"no")

    def get_headers(self):
        self.reply(json.dumps([[k.lower(), v] for k, v in self.headers.items()]).encode(), "application/json",
                   Connection="X-Hop", X_Hop="mine", X_End="yours")

    def get_empty(self):
        self.send_response(204)
        self.end_headers()

    def get_silent(self):
        self.close_connection = True

    def get_die_once(self):
        if not os.path.exists("died"):
            die()
        self.reply(b"alive")

    def get_fault(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def get_noise(self):
        """Has somebody write to its terminal without end, faster than it can be read."""
        for _ in range(3):
            subprocess.Popen(["cat", "/dev/zero"], stdout=2)
        self.reply(b"loud")

    def do_POST(self):
        if self.path == "/die":
            die()
        if self.path == "/early":
            self.reply(b"too much", status=413)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(b"%d" % len(body))

    def do_REPORT(self):
        self.reply(self.command.encode())

    locals()["do_IT'S"] = get_fault


if __name__ == "__main__":
    assert sys.argv[1] == "serve" and os.environ["LISTEN_PID"] == str(os.getpid())
    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=3)
    server.daemon_threads = True
    where = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", where)
    server.serve_forever()
