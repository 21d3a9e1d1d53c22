#!/usr/bin/env python3
"""A loopback web server that plays the publishers: serves feeds from memory, records every
request, and misbehaves on demand.  Standard library only.

As a library:
    with Origin() as origin:
        feed = origin.feed("/news", title="News", kind="rss")      # or atom, rdf, json
        feed.publish(Item(title="Xi, Putin Hold Video Call"))      # served from now on
        origin.url("/news")
        origin.answer("/odd", lambda reply: reply.send(503, [("Retry-After", "60")]))
        origin.wait(lambda: feed.requests(status=304))             # a condition, no sleep
On its own:  tests/origin.py [--port N] FILE.xml...  serves files by their names.
"""
import argparse
import dataclasses
import email.utils
import gzip
import json
import os
import socket
import struct
import sys
import threading
import time
import zlib
from xml.sax.saxutils import escape, quoteattr


PATIENCE = 3  # waits end this much later than they say: a slow machine is no failure


class Gone(Exception):
    """The client has closed the connection, or the origin stops."""


@dataclasses.dataclass
class Item:
    title: str = ""
    guid: str = ""  # default: urn:item:N, counted
    link: str = ""
    summary: str = ""
    published: float = None  # seconds since 1970; None: now; 0: no date
    xml: str = None  # the item's whole element, instead of all the above


@dataclasses.dataclass
class Request:
    time: float  # time.monotonic() when its last header line had come
    method: str
    path: str
    headers: list  # (name, value) as sent, in order
    peer: tuple
    status: int = 0  # of our answer; 0: none sent yet
    version: int = -1  # of the feed, as served in full
    done: float = 0.0  # when the last byte of the answer had been sent

    def header(self, name):
        """The value of a header that was sent once, or None."""
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None


class Reply:
    """What a scripted answer writes to: whole answers, or bytes one by one."""

    def __init__(self, origin, sock, request):
        self.origin, self.sock, self.request = origin, sock, request
        self.close = False  # close the connection after this answer

    def raw(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone from e
        self.request.done = time.monotonic()

    def head(self, status, headers=()):
        self.request.status = status
        lines = [f"HTTP/1.1 {status} {REASON.get(status, 'Status')}"]
        lines += [f"{n}: {v}" for n, v in headers]
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def send(self, status, headers=(), body=b""):
        headers = list(headers)
        if status not in (204, 304):
            headers.append(("Content-Length", str(len(body))))
        self.request.status = status
        lines = [f"HTTP/1.1 {status} {REASON.get(status, 'Status')}"]
        lines += [f"{n}: {v}" for n, v in headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self.raw(head if self.request.method == "HEAD" else head + body)

    def chunk(self, data):
        self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def last_chunk(self):
        self.raw(b"0\r\n\r\n")

    def hold(self, event, seconds=60):
        """Keep the connection open and silent until `event` is set or the client goes."""
        self.close = True
        self.sock.settimeout(0.02)
        until = time.monotonic() + seconds
        while not event.is_set() and not self.origin.ended.is_set() \
                and time.monotonic() < until:
            try:
                if self.sock.recv(1) == b"":
                    raise Gone
            except TimeoutError:
                pass
            except OSError as e:
                raise Gone from e
        self.sock.settimeout(None)


REASON = {200: "OK", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
          404: "Not Found", 410: "Gone", 429: "Too Many Requests", 500: "Internal Server Error",
          503: "Service Unavailable"}


# Answers for Origin.answer().

def status(code, headers=(), body=b""):
    return lambda reply: reply.send(code, headers, body)


def redirect(to, code=302):
    return status(code, [("Location", to)])


def drip(body, step=1, pause=0.5, headers=()):
    """The body in pieces of `step` bytes, `pause` seconds apart."""
    def answer(reply):
        reply.head(200, [("Content-Type", "application/xml"), ("Content-Length", str(len(body))),
                         *headers])
        for at in range(0, len(body), step):
            reply.raw(body[at:at + step])
            if at + step < len(body) and reply.origin.ended.wait(pause):
                raise Gone
    return answer


def silence(event):
    """No answer at all until `event` is set; then the connection is closed."""
    def answer(reply):
        reply.hold(event)
    return answer


class Held:
    """An answer that is sent piece by piece as the test says and stays open between.

    coding: "plain", "gzip", "chunked", or "gzip+chunked"; without chunked the end is the
    end of the connection."""

    def __init__(self, coding="plain", headers=()):
        self.coding, self.headers = coding, list(headers)
        self.started, self.ended = threading.Event(), threading.Event()
        self.gone = threading.Event()  # the client closed before the end
        self._reply, self._zip = None, None

    def __call__(self, reply):
        headers = [("Content-Type", "application/rss+xml"), *self.headers]
        if "gzip" in self.coding:
            headers.append(("Content-Encoding", "gzip"))
            self._zip = zlib.compressobj(6, zlib.DEFLATED, 31)
        headers.append(("Transfer-Encoding", "chunked") if "chunked" in self.coding
                       else ("Connection", "close"))
        reply.head(200, headers)
        self._reply = reply
        self.started.set()
        try:
            reply.hold(self.ended)
        except Gone:
            self.gone.set()
            raise

    def send(self, text):
        """Send bytes now; returns the time when the last of them had been handed over."""
        data = text.encode() if isinstance(text, str) else text
        if self._zip:
            data = self._zip.compress(data) + self._zip.flush(zlib.Z_SYNC_FLUSH)
        if "chunked" in self.coding:
            self._reply.chunk(data)
        else:
            self._reply.raw(data)
        return time.monotonic()

    def end(self):
        if self._zip:
            tail = self._zip.flush()
            if "chunked" in self.coding:
                self._reply.chunk(tail)
            else:
                self._reply.raw(tail)
        if "chunked" in self.coding:
            self._reply.last_chunk()
        self.ended.set()


class Feed:
    """One feed document, made anew from its items whenever something is published."""

    def __init__(self, origin, path, title, kind, charset, etag, last_modified, coding, headers,
                 document):
        self.origin, self.path, self.title, self.kind = origin, path, title, kind
        self.charset, self.coding, self.headers = charset, coding, list(headers)
        self.use_etag, self.use_last_modified = etag, last_modified
        self.items, self.version, self.document = [], 0, document
        self._make()

    def publish(self, *items):
        """Put items at the top, the last one first.  Returns the time of publication."""
        with self.origin.lock:
            for item in items:
                self._complete(item)
                self.items.insert(0, item)
            self._changed()
        return time.monotonic()

    def replace(self, items=None, document=None):
        """Other items, or other bytes, from now on."""
        with self.origin.lock:
            if items is not None:
                for item in items:
                    self._complete(item)
                self.items = list(items)
            self.document = document
            self._changed()
        return time.monotonic()

    def requests(self, status=None):
        return [r for r in self.origin.requests(self.path)
                if status is None or r.status == status]

    def first_served(self, version):
        """The first whole answer that carried `version` or a later one, or None."""
        return next((r for r in self.origin.requests(self.path)
                     if r.version >= version and r.done), None)

    def _complete(self, item):
        if item.xml is None and not item.guid:
            item.guid = f"urn:item:{self.path.strip('/')}:{len(self.items) + self.version}"
        if item.published is None:
            item.published = time.time()

    def _changed(self):
        self.version += 1
        self._make()
        self.origin.changed.notify_all()

    def _make(self):
        body = self.document
        if body is None:
            body = document(self.kind, self.title, self.items, self.charset)
        self.plain = body
        self.body = gzip.compress(body, mtime=0) if "gzip" in self.coding else body
        if callable(self.use_etag):
            self.etag = self.use_etag(self.version)
        else:
            self.etag = f'"{self.path.strip("/")}-{self.version}"' if self.use_etag else None
        if callable(self.use_last_modified):
            self.last_modified = self.use_last_modified(self.version)
        else:
            self.last_modified = (email.utils.formatdate(1737450000 + self.version, usegmt=True)
                                  if self.use_last_modified else None)

    def matches(self, request):
        """RFC 9110 13.2.2: If-None-Match decides when it is there."""
        asked = request.header("If-None-Match")
        if asked is not None:
            return self.etag is not None and asked == self.etag
        asked = request.header("If-Modified-Since")
        return asked is not None and self.last_modified is not None \
            and asked == self.last_modified

    def __call__(self, reply):
        with self.origin.lock:
            fresh, body, version = self.matches(reply.request), self.body, self.version
            headers = list(self.headers)
            if self.etag is not None:
                headers.append(("ETag", self.etag))
            if self.last_modified is not None:
                headers.append(("Last-Modified", self.last_modified))
        if fresh:
            reply.send(304, headers)
        else:
            headers.append(("Content-Type", CONTENT_TYPE[self.kind]))
            if "gzip" in self.coding:
                headers.append(("Content-Encoding", "gzip"))
            if "chunked" in self.coding:
                reply.head(200, [*headers, ("Transfer-Encoding", "chunked")])
                for at in range(0, len(body), 1000):
                    reply.chunk(body[at:at + 1000])
                reply.request.version = version
                reply.last_chunk()
            else:
                reply.request.version = version
                reply.send(200, headers, body)


CONTENT_TYPE = {"rss": "application/rss+xml", "atom": "application/atom+xml",
                "rdf": "application/rdf+xml", "json": "application/feed+json"}


def document(kind, title, items, charset="utf-8"):
    """The whole feed as bytes."""
    if kind == "json":
        return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": title,
                           "items": [_json_item(i) for i in items]}).encode()
    inner = "".join(item_xml(kind, i) for i in items)
    head = f'<?xml version="1.0" encoding="{charset}"?>\n'
    if kind == "rss":
        text = (f'{head}<rss version="2.0"><channel><title>{escape(title)}</title>'
                f"<link>http://127.0.0.1/</link><description>-</description>\n{inner}"
                "</channel></rss>\n")
    elif kind == "atom":
        text = (f'{head}<feed xmlns="http://www.w3.org/2005/Atom"><title>{escape(title)}</title>'
                f"<id>urn:feed</id><updated>2025-01-21T12:00:00Z</updated>\n{inner}</feed>\n")
    elif kind == "rdf":
        text = (f'{head}<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
                'xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
                f'<channel rdf:about="urn:feed"><title>{escape(title)}</title>'
                f"<link>http://127.0.0.1/</link></channel>\n{inner}</rdf:RDF>\n")
    else:
        raise ValueError(kind)
    return text.encode(charset, "xmlcharrefreplace")


def rss_head(title="Held"):
    """The beginning of an RSS document, for answers that are sent in pieces."""
    return document("rss", title, []).decode().split("</channel>")[0]


def item_xml(kind, item):
    if item.xml is not None:
        return item.xml
    rfc3339 = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(item.published or 0))
    out = [f"<title>{escape(item.title)}</title>"]
    if kind == "atom":
        out.append(f"<id>{escape(item.guid)}</id>")
        out += [f"<link href={quoteattr(item.link)}/>"] if item.link else []
        out += [f'<summary type="html">{escape(item.summary)}</summary>'] if item.summary else []
        out += [f"<published>{rfc3339}</published><updated>{rfc3339}</updated>"] \
            if item.published else []
        return f"<entry>{''.join(out)}</entry>\n"
    out += [f"<link>{escape(item.link)}</link>"] if item.link else []
    out += [f"<description>{escape(item.summary)}</description>"] if item.summary else []
    if kind == "rdf":
        out += [f"<dc:date>{rfc3339}</dc:date>"] if item.published else []
        return f"<item rdf:about={quoteattr(item.guid)}>{''.join(out)}</item>\n"
    out.append(f'<guid isPermaLink="false">{escape(item.guid)}</guid>')
    out += [f"<pubDate>{email.utils.formatdate(item.published, usegmt=True)}</pubDate>"] \
        if item.published else []
    return f"<item>{''.join(out)}</item>\n"


def _json_item(item):
    out = {"id": item.guid, "title": item.title, "content_text": item.summary}
    if item.link:
        out["url"] = item.link
    return out


class Origin:
    """The server: one thread a connection, HTTP/1.1 with keep-alive."""

    def __init__(self, host="127.0.0.1", port=0):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)  # a request came or was answered
        self.ended = threading.Event()
        self._answers, self._log, self._sockets = {}, [], set()
        self.connections = 0  # accepted so far
        self._listen = socket.create_server((host, port), backlog=1024)
        self.host, self.port = self._listen.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.ended.set()
        try:
            self._listen.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listen.close()
        with self.lock:
            for sock in list(self._sockets):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def feed(self, path, title="Feed", kind="rss", charset="utf-8", etag=True,
             last_modified=True, coding="plain", headers=(), items=(), document=None):
        """Serve a feed.  etag and last_modified: yes, no, or a function of the version."""
        feed = Feed(self, path, title, kind, charset, etag, last_modified, coding, headers,
                    document)
        for item in items:
            feed.publish(item)
        self.answer(path, feed)
        return feed

    def answer(self, path, *answers):
        """Answer requests for `path` by these functions in turn, the last one for ever."""
        with self.lock:
            self._answers[path] = list(answers)

    def requests(self, path=None):
        with self.lock:
            return [r for r in self._log if path is None or r.path == path]

    def wait(self, condition, seconds=10.0, what="condition"):
        """Wait until `condition()` is true; looks again whenever something happened."""
        until = time.monotonic() + seconds * PATIENCE
        with self.changed:
            while not (value := condition()):
                left = until - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what}: not within {seconds * PATIENCE:g} s")
                self.changed.wait(min(left, 0.05))
            return value

    def _accept(self):
        while not self.ended.is_set():
            try:
                sock, peer = self._listen.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                self._sockets.add(sock)
            threading.Thread(target=self._serve, args=(sock, peer), daemon=True).start()

    def _serve(self, sock, peer):
        try:
            rest = b""
            while not self.ended.is_set():
                while b"\r\n\r\n" not in rest:
                    data = sock.recv(65536)
                    if not data:
                        return
                    rest += data
                head, rest = rest.split(b"\r\n\r\n", 1)
                if not self._one(sock, peer, head.decode("latin-1")):
                    return
        except (OSError, Gone):
            pass
        finally:
            with self.lock:
                self._sockets.discard(sock)
                self.changed.notify_all()
            sock.close()

    def _one(self, sock, peer, head):
        """Answer one request; returns whether the connection goes on."""
        first, *lines = head.split("\r\n")
        method, path = first.split(" ")[:2]
        headers = [tuple(line.split(":", 1)) for line in lines]
        request = Request(time.monotonic(), method, path,
                          [(n, v.strip(" \t")) for n, v in headers], peer)
        with self.lock:
            self._log.append(request)
            answers = self._answers.get(path, [status(404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.changed.notify_all()
        reply = Reply(self, sock, request)
        answer(reply)
        with self.lock:
            self.changed.notify_all()
        return not reply.close


class Names:
    """A name server over UDP: `table` has the addresses of each name, or a function that gives
    them, or None, and then there is no answer at all.  Other names do not exist."""

    def __init__(self, table, host="127.0.0.1", ttl=0):
        self.table, self.ttl, self.asked = table, ttl, []  # (name, 1: A or 28: AAAA)
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self.address = "%s:%d" % self._sock.getsockname()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self._sock.getsockname())  # wakes the server
        self._thread.join()
        self._sock.close()

    def _serve(self):
        while True:
            query, peer = self._sock.recvfrom(4096)
            if not query:
                return
            answer = self._answer(query)
            if answer:
                self._sock.sendto(answer, peer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode("ascii").lower())
            at += 1 + query[at]
        name, (kind,) = ".".join(labels), struct.unpack(">H", query[at + 1:at + 3])
        question = query[12:at + 5]
        self.asked.append((name, kind))
        found = self.table.get(name, ())
        found = found() if callable(found) else found
        if found is None:
            return None
        family = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
        records = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data
                   for address in found
                   if family == (socket.AF_INET6 if ":" in address else socket.AF_INET)
                   for data in [socket.inet_pton(family, address)]]
        flags = 0x8580 | (0 if name in self.table else 3)
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question \
            + b"".join(records)


def main():
    options = argparse.ArgumentParser(description="serve feed files on the loopback")
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--publish", action="store_true",
                         help="publish an item for each line '/PATH TITLE' of standard input")
    options.add_argument("file", nargs="+", help="a file, or /PATH for a feed of our making")
    options = options.parse_args()
    origin, feeds = Origin(port=options.port), {}
    for name in options.file:
        if os.path.isfile(name):
            with open(name, "rb") as file:
                feed = origin.feed("/" + os.path.basename(name), document=file.read())
        else:
            feed = origin.feed(name, items=[Item("the first")])
        feeds[feed.path] = feed
        print(origin.url(feed.path), flush=True)
    try:
        if options.publish:  # until it ends
            for line in sys.stdin:
                path, title = line.split(None, 1)
                feeds[path].publish(Item(title.strip()))
            return 0
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
