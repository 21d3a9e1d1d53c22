#!/usr/bin/env python3
"""Network rows of the hazards table, part two: what is answered, broken connections, TLS, many
feeds at once.  A canary feed is polled beside each (see rows.py)."""
import email.utils
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import bench
from bench import Item, wait
import origin
import rows

DAY_S = 86400


class Answers(rows.Rows):
    def test_n16_retry_after(self):
        """Obeyed within a minute and a day; what makes no sense is as if it were not there."""
        date = email.utils.formatdate(time.time() + 1800, usegmt=True)
        past = email.utils.formatdate(time.time() - 1800, usegmt=True)
        cases = [(code, *case) for code in (429, 503) for case in (
            ("600", 600, 660), (date, 1780, 1985), ("1000000000", DAY_S - 1, DAY_S + 1),
            ("9" * 30, DAY_S - 1, DAY_S + 1), ("5", 60, 66), (past, 0, 66),
            ("soon", 0, 1.3), ("-600", 0, 1.3), ("6 00", 0, 1.3), ("", 0, 1.3),
            ("Wed, 99 Foo 2026 99:99:99 GMT", 0, 1.3))]
        config, everywhere = "", self.everywhere()
        for n, (code, value, *_) in enumerate(cases):
            everywhere.answer(f"/{n}", origin.status(code, [("Retry-After", value)]))
            # each on a host of its own, which is held back as a whole
            config += f"[feed:f{n}]\nurl = {self.spread(everywhere, n)}\n"
        d = self.started(config)
        for n, (code, value, least, most) in enumerate(cases):
            with self.subTest(code=code, value=value):
                self.polled(d, f"f{n}")
                got, _ = self.until_next(d, f"f{n}")
                self.assertGreaterEqual(got, least * 0.99)
                if most > 2:
                    self.assertLessEqual(got, most)
                else:  # backs off as without the header: from a second on
                    self.origin.wait(lambda n=n: len(everywhere.requests(f"/{n}")) > 1,
                                     10 * bench.SLOW, "one more poll")
        self.well(d)

    def test_n17_304_to_an_unconditional_request(self):
        """As if unchanged, told once, and asked again without validators."""
        feed = self.origin.feed("/bad", items=[Item("old", guid="0")])
        self.origin.answer("/bad", feed, origin.status(304))
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        self.polled(d, polls=2)
        self.assertEqual(self.status(d)["state"], "ok")
        self.rest(d)
        self.alter(d, etag="NULL", last_modified="NULL")
        d.start()
        self.polled(d, polls=self.stored(d)["polls"] + 3)
        self.assertIsNone(self.origin.requests("/bad")[-1].header("If-None-Match"))
        self.assertEqual(len(re.findall("feed_broken feed=\"?bad.*304", d.stderr())), 1)
        self.origin.answer("/bad", feed)
        feed.publish(Item("Putin and Xi, at last", guid="1"))
        wait(lambda: "Putin and Xi, at last" in d.titles(), 5, "alert")
        self.well(d)

    def test_n17_304_from_the_first(self):
        """Nothing is known of such a feed: it is not what it seems until a document comes."""
        self.origin.answer("/bad", origin.status(304))
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        self.polled(d, polls=3)
        self.assertEqual(len(re.findall("bad.*304", d.stderr())), 1)
        self.assertIn("304", self.status(d)["problem"])
        feed = self.origin.feed("/bad", items=[Item("Putin and Xi, old", guid="0")])
        self.polled_again(feed)
        feed.publish(Item("Putin and Xi, new", guid="1"))
        wait(lambda: "Putin and Xi, new" in d.titles(), 5, "alert")
        self.assertNotIn("Putin and Xi, old", d.titles())
        self.well(d)

    def test_n18_304_for_ever(self):
        """The whole document is asked for every full_fetch, here after a day."""
        feed = self.origin.feed("/bad", items=[Item("old", guid="0")])
        self.origin.answer("/bad", feed, origin.status(304))
        d = self.started("[feed:bad]\nurl = {/bad}\nfull_fetch = 1d\n")
        self.polled(d, polls=3)
        self.assertTrue(all(r.header("If-None-Match") for r in feed.requests()[1:]))
        feed.publish(Item("Putin and Xi, unseen", guid="1"))
        self.rest(d)
        due = self.stored(d)["full_due_ms"] - time.time() * 1000
        self.assertLess(abs(due / 1000 - DAY_S), 0.11 * DAY_S)
        self.alter(d, full_due_ms=1)
        self.origin.answer("/bad", lambda r: (
            origin.status(304) if r.request.header("If-None-Match") else feed)(r))
        d.start()
        wait(lambda: "Putin and Xi, unseen" in d.titles(), 5, "alert")
        self.well(d)

    def test_n19_410_ends_the_polls(self):
        self.origin.answer("/bad", origin.status(410))
        d = self.started("[feed:bad]\nurl = {/bad}\n")
        self.says(d, "feed_gone")
        self.sing(d)
        self.assertEqual(d.stderr().count("feed_gone"), 1)
        self.rest(d)
        d.start()
        self.sing(d)
        self.sing(d)
        self.assertNotIn("feed_gone", d.stderr())
        self.assertEqual(len(self.origin.requests("/bad")), 1)
        self.assertEqual(self.status(d)["state"], "gone")
        self.well(d)


class Cut(rows.Rows):
    def test_n20_a_cut_at_every_byte(self):
        """A feed for each byte of a document: its first answer ends there, by FIN or by RST.
        What is whole before the cut and what comes later alert, each once.  (Slow builds skip
        bytes.)"""
        body = origin.document("rss", "f", [
            Item(f"Putin Xi {n}", guid=f"g{n}", published=time.time()) for n in range(2)])

        def cut(at, reset):
            def answer(reply):
                reply.close = True
                reply.head(200, [("Content-Type", "application/rss+xml"),
                                 ("Content-Length", str(len(body)))])
                reply.raw(body[:at])
                if reset:
                    reply.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
            return answer
        cuts = range(0, len(body), int(bench.SLOW))
        config, everywhere = "", self.everywhere()
        for at in cuts:
            everywhere.answer(f"/{at}", cut(at, at // int(bench.SLOW) % 2), origin.status(
                200, [("Cache-Control", "max-age=3600")], body))
            config += f"[feed:f{at}]\nurl = {self.spread(everywhere, at)}\n"
        keys = "first_run_max_age = 1h\n"
        d = self.daemon(f"[feedwatch]\n{keys}interval = 6s\nmax_interval = 1d\n{self.CANARY}"
                        f"interval = 1s\n{config}[watch:all]\nmatch = Putin AND Xi\n"
                        "group_by = item\nmax_per_hour = 0\nstorm_size = 0\n").start()
        self.learnt(self.canary)

        def through():
            return len(everywhere.requests()) >= 2 * len(cuts)
        everywhere.wait(through, 40 * bench.SLOW, "two polls of each feed")
        want = sorted((f"f{at}", f"Putin Xi {n}") for at in cuts for n in range(2))
        wait(lambda: len(d.alerts()) >= len(want), 10, "all alerts", 0.1)
        self.assertEqual(sorted((a["feed"], a["title"]) for a in d.alerts()), want)
        self.well(d)


class Tls(rows.Rows):
    """An authority of our own that the feed trusts, and certificates that are wrong."""

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.folder)

    def certificate(self, name, host="127.0.0.1", dates=()):
        """A certificate of the authority for `host`; returns its file, with the key in it."""
        path = os.path.join(self.folder, name)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        if not os.path.exists(os.path.join(self.folder, "ca.crt")):
            self.openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority",
                         "-keyout", "ca.key", "-out", "ca.crt")
            for file, text in (("index", ""), ("ca.cnf", (
                    "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nnew_certs_dir = .\n"
                    "rand_serial = yes\ndefault_md = sha256\npolicy = any\n"
                    "copy_extensions = copy\nunique_subject = no\n"
                    "[any]\ncommonName = supplied\n"))):
                with open(os.path.join(self.folder, file), "w", encoding="ascii") as out:
                    out.write(text)
        self.openssl("req", *key, "-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}",
                     "-keyout", path + ".key", "-out", path + ".csr")
        self.openssl("ca", "-config", "ca.cnf", "-batch", "-notext", "-cert", "ca.crt",
                     "-keyfile", "ca.key", "-in", path + ".csr", "-out", path,
                     *(dates or ("-days", "2")))
        return path

    def serve(self, cert):
        """An https origin that also knows who came without TLS; returns (port, plain requests)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, cert + ".key")
        plain, body = [], origin.document("rss", "t", [Item("old")])

        def one(sock):
            sock.settimeout(5)
            if sock.recv(1, socket.MSG_PEEK) != b"\x16":  # what TLS begins with
                plain.append(sock.recv(1000))
                return
            bench.answer_tls(context, sock, body)
        return bench.serve_sockets(self, one), plain

    def test_n21_wrong_certificates(self):
        old = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        soon = ("-startdate", "20900101000000Z", "-enddate", "20900201000000Z")
        certs = {"good": self.certificate("good"),
                 "expired": self.certificate("expired", dates=old),
                 "early": self.certificate("early", dates=soon),
                 "other": self.certificate("other", host="127.0.0.9")}
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                     "subjectAltName=IP:127.0.0.1", "-keyout", "self.key", "-out", "self")
        certs["self"] = os.path.join(self.folder, "self")
        served = {name: self.serve(cert) for name, cert in certs.items()}
        config = "".join(f"[feed:{name}]\nurl = https://127.0.0.1:{port}/\n"
                         for name, (port, _) in served.items())
        d = self.started(config, f"ca_file = {os.path.join(self.folder, 'ca.crt')}\n")
        for name in certs:
            self.polled(d, name)
        for name, why in (("expired", "expired"), ("early", "not yet valid"),
                          ("other", "name matches"), ("self", "self.signed")):
            self.assertRegex(d.stderr(), f"fetch_failed feed=\"?{name}\"? outcome=bad .*{why}")
        self.assertEqual(self.stored(d, "good")["http_status"], 200)
        self.well(d)
        self.assertEqual([plain for _, plain in served.values() if plain], [])


class Many(rows.Rows):
    FEEDS = int(1000 / bench.SLOW)

    def test_n22_a_thousand_feeds_due_at_once(self):
        """Never more than max_transfers at once; a start spreads them."""
        turn, state = threading.Condition(), {"now": 0, "most": 0}
        body = origin.document("rss", "t", [Item("old", guid="0")])

        def answer(reply):
            with turn:
                state["now"] += 1
                state["most"] = max(state["most"], state["now"])
                turn.notify_all()
                turn.wait_for(lambda: state["most"] > 8, 1)  # however slowly they come
            time.sleep(0.02)
            with turn:
                state["now"] -= 1
            reply.send(200, [], body)
        config, everywhere = "", self.everywhere()
        for n in range(self.FEEDS):
            everywhere.answer(f"/{n}", answer)
            config += f"[feed:f{n}]\nurl = {self.spread(everywhere, n)}\ninterval = 1h\n"
        d = self.daemon("[feedwatch]\nworkers = 2\nmax_transfers = 16\nmax_interval = 1d\n"
                        f"{self.CANARY}{config}[watchlist]\nsummit = Putin AND Xi\n")
        began = time.monotonic()
        self.assertEqual(d.once(seconds=60), 0)  # as if all were due at this instant
        took = bench.took(began)
        self.assertEqual(len(everywhere.requests()), self.FEEDS)
        self.assertGreater(state["most"], 8)
        self.assertLessEqual(state["most"], 16)
        print(f"{state['most']} at once, {took:.1f} s ... ", end="")
        self.assertLess(took, 40 * bench.SLOW)
        # A start with all of them overdue: over 10 s, of which the canary sees the first.
        self.alter(d, "f*", due_ms=1)
        self.counted = len(self.canary.requests())
        d.start()
        began = time.monotonic()
        self.origin.wait(lambda: len(everywhere.requests()) > self.FEEDS * 1.3, 15 * bench.SLOW)
        self.assertGreater(time.monotonic() - began, 1 / bench.SLOW)
        self.assertLessEqual(state["most"], 16)
        self.well(d)


if __name__ == "__main__":
    bench.main()
