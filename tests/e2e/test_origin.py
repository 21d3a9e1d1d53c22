#!/usr/bin/env python3
"""The test bench tests itself: the origin's answers as a plain client sees them."""
import gzip
import http.client
import socket
import threading
import time
import unittest
import xml.etree.ElementTree as ET

import bench
from bench import Held, Item, Origin, rss_head
import origin as origin_module


class OriginTest(unittest.TestCase):
    def setUp(self):
        self.origin = Origin()
        self.addCleanup(self.origin.stop)
        self.client = http.client.HTTPConnection(self.origin.host, self.origin.port, timeout=10)
        self.addCleanup(self.client.close)

    def get(self, path, **headers):
        self.client.request("GET", path, headers={n.replace("_", "-"): v
                                                  for n, v in headers.items()})
        answer = self.client.getresponse()
        return answer, answer.read()

    def test_feeds_are_wellformed_in_each_kind(self):
        for kind in ("rss", "atom", "rdf"):
            for charset in ("utf-8", "iso-8859-1", "utf-16"):
                path = f"/{kind}-{charset}"
                feed = self.origin.feed(path, kind=kind, charset=charset)
                feed.publish(Item(title="‘Putin & Xi’ <b>", link="http://a/?b&c=\"d\""))
                answer, body = self.get(path)
                self.assertEqual(answer.status, 200)
                titles = [e.text for e in ET.fromstring(body).iter() if e.tag.endswith("title")]
                self.assertIn("‘Putin & Xi’ <b>", titles)

    def test_conditional_get(self):
        feed = self.origin.feed("/f", items=[Item("one")])
        first, _ = self.get("/f")
        again, body = self.get("/f", If_None_Match=first.getheader("ETag"))
        self.assertEqual((again.status, body), (304, b""))
        again, _ = self.get("/f", If_Modified_Since=first.getheader("Last-Modified"))
        self.assertEqual(again.status, 304)
        feed.publish(Item("two"))
        again, body = self.get("/f", If_None_Match=first.getheader("ETag"))
        self.assertEqual(again.status, 200)
        self.assertIn(b"two", body)
        self.assertEqual([r.status for r in feed.requests()], [200, 304, 304, 200])
        served = self.origin.wait(lambda: feed.first_served(2))
        self.assertEqual((served.status, served.version), (200, 2))

    def test_codings(self):
        self.origin.feed("/z", coding="gzip+chunked", items=[Item("one")])
        answer, body = self.get("/z")
        self.assertEqual(answer.getheader("Content-Encoding"), "gzip")
        self.assertIn(b"one", gzip.decompress(body))

    def test_held_answers_arrive_piece_by_piece(self):
        for coding in ("plain", "chunked", "gzip", "gzip+chunked"):
            held = Held(coding)
            self.origin.answer("/h", held)
            with socket.create_connection((self.origin.host, self.origin.port), 10) as sock:
                sock.sendall(b"GET /h HTTP/1.1\r\nHost: h\r\n\r\n")
                self.assertTrue(held.started.wait(30))
                held.send(rss_head())
                sock.recv(65536)
                held.send("<item/>")
                self.assertTrue(sock.recv(65536))  # before the end, or it times out
                held.end()
                while sock.recv(65536):
                    pass

    def test_held_answer_sees_the_client_go(self):
        held = Held()
        self.origin.answer("/h", held)
        sock = socket.create_connection((self.origin.host, self.origin.port), 10)
        sock.sendall(b"GET /h HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertTrue(held.started.wait(30))
        sock.close()
        self.assertTrue(held.gone.wait(30))

    def test_scripts(self):
        self.origin.answer("/s", origin_module.status(503, [("Retry-After", "7")]),
                           origin_module.redirect("/t", 301),
                           origin_module.drip(b"abc", 1, 0.01))
        self.assertEqual(self.get("/s")[0].getheader("Retry-After"), "7")
        self.assertEqual(self.get("/s")[0].getheader("Location"), "/t")
        self.assertEqual(self.get("/s")[1], b"abc")
        self.assertEqual(self.get("/nothing")[0].status, 404)

    def test_many_clients(self):
        feed = self.origin.feed("/f", items=[Item("one")])

        def run():
            client = http.client.HTTPConnection(self.origin.host, self.origin.port, timeout=10)
            for _ in range(20):
                client.request("GET", "/f")
                client.getresponse().read()
            client.close()
        threads = [threading.Thread(target=run) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(feed.requests(status=200)), 1000)

    def test_alert_log_reader_leaves_a_torn_line_out(self):
        import os
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            self.assertEqual(bench.alerts_in(path), [])
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"seq":1}\n{"se')
            self.assertEqual(bench.alerts_in(path), [{"seq": 1}])


if __name__ == "__main__":
    unittest.main(verbosity=2)
