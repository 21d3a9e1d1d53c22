#!/usr/bin/env python3
"""Webhooks against a server on loopback: every preset by the rules of its public API, signatures,
limits that the other side asks for, and a server that hangs."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import bench
from bench import Item, wait

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TITLE = "Putin <3 @everyone & *Xi* [x](http://evil.test)"
SUMMARY = "Leaders: Putin met Xi <b>at length</b>, 1 < 2 & more."


class Server(http.server.ThreadingHTTPServer):
    """Keeps what is posted; `answers` are given one by one, then 200 for ever."""
    daemon_threads = True

    def __init__(self, port=0):
        self.got, self.answers, self.hang = [], [], threading.Event()
        self.hanging = False

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(handler):
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                self.got.append((handler.command, handler.path, handler.headers, body,
                                 time.monotonic()))
                if self.hanging:
                    self.hang.wait(60)
                    return
                status, headers, text = self.answers.pop(0) if self.answers else (200, {}, b"{}")
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(text)))
                handler.end_headers()
                handler.wfile.write(text)
            do_POST = do_PUT = do_PATCH = do_GET = answer

            def log_message(handler, *_):
                pass
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.hang.set()
        self.shutdown()
        self.server_close()


class Webhook(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="News", items=[Item("old")])
        self.server = Server()
        self.addCleanup(lambda: self.server.close())

    def secret(self, text, name="secret"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def with_sink(self, keys, private="allow_private = yes\n"):
        self.d = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"
                             f"[sink:hook]\ntype = webhook\n{private}{keys}\n",
                             folder=f"daemon{len(self.daemons)}").start()
        self.polled_again(self.feed)
        return self.d

    def posted(self, n=1, seconds=15):
        wait(lambda: len(self.server.got) >= n, seconds, f"{n} requests")
        return self.server.got

    def one(self, keys, item=None):
        """The (method, path, headers, JSON) that one alert became."""
        self.with_sink(keys)
        self.feed.publish(item or Item(TITLE, summary=SUMMARY, link="http://127.0.0.1/1?a=1&b=2"))
        method, path, headers, body, _ = self.posted()[0]
        self.assertTrue(headers["Content-Type"].startswith("application/json"))
        self.assertTrue(headers["User-Agent"].startswith("feedwatch/"))
        self.d.stop()
        return method, path, headers, json.loads(body)

    # ---- our own form

    def test_json_is_signed_as_standard_webhooks_has_it(self):
        for secret, key in (("correct horse", b"correct horse"),
                            ("whsec_" + base64.b64encode(b"0123456789abcdef0123456789").decode(),
                             b"0123456789abcdef0123456789")):
            with self.subTest(secret):
                self.server.got.clear()
                method, path, headers, data = self.one(
                    f"url = {self.server.url}/in?x=1\nsecret = file:{self.secret(secret)}",
                    Item(f"Putin and Xi {secret[:4]}", link="http://127.0.0.1/1"))
                self.assertEqual((method, path), ("POST", "/in?x=1"))
                body = self.server.got[0][3]
                self.assertLess(abs(int(headers["Webhook-Timestamp"]) - time.time()), 60)
                signed = f"{headers['Webhook-Id']}.{headers['Webhook-Timestamp']}.".encode() + body
                mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
                self.assertEqual(headers["Webhook-Signature"], "v1," + mac)
                alert = self.d.alerts()[-1]
                self.assertEqual(headers["Webhook-Id"], "msg_" + alert["id"])
                self.assertEqual(set(data), {"type", "timestamp", "data"})
                self.assertEqual((data["type"], data["timestamp"], data["data"]),
                                 ("feedwatch.alert", alert["time"], alert))

    def test_bearer_token_and_secret_address(self):
        url = self.secret(self.server.url + "/hooks/s3cret-path", "url")
        os.chmod(url, 0o600)
        _, path, headers, _ = self.one(
            f"secret_url = file:{url}\ntoken = file:{self.secret('tk_123', 'token')}")
        self.assertEqual(path, "/hooks/s3cret-path")
        self.assertEqual(headers["Authorization"], "Bearer tk_123")
        self.assertIsNone(headers["Webhook-Signature"])

    def test_credential_of_systemd(self):
        folder = os.path.join(self.folder, "credentials")
        os.mkdir(folder)
        with open(folder + "/hook", "w", encoding="utf-8") as file:
            file.write("tk_456")
        self.d = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n"
                             "[sink:hook]\ntype = webhook\nallow_private = yes\n"
                             f"url = {self.server.url}/\ntoken = credential:hook\n",
                             env={"CREDENTIALS_DIRECTORY": folder}).start()
        self.learnt(self.feed)
        self.feed.publish(Item("Putin and Xi"))
        self.assertEqual(self.posted()[0][2]["Authorization"], "Bearer tk_456")
        self.d.stop()

    # ---- presets

    def test_ntfy(self):
        method, path, headers, data = self.one(
            f"preset = ntfy\nurl = {self.server.url}/my_topic\n"
            f"token = file:{self.secret('tk_1')}")
        self.assertEqual((method, path), ("POST", "/"))
        self.assertEqual(headers["Authorization"], "Bearer tk_1")
        self.assertLessEqual(set(data), {
            "topic", "message", "title", "tags", "priority", "actions", "click", "attach",
            "markdown", "icon", "filename", "delay", "email", "call", "sequence_id"})
        self.assertEqual(data["sequence_id"], self.d.alerts()[0]["id"])
        self.assertEqual(data["topic"], "my_topic")
        self.assertRegex(data["topic"], r"^[-_A-Za-z0-9]{1,64}$")
        self.assertEqual(data["title"], TITLE)
        self.assertEqual(data["priority"], 3)
        self.assertEqual(data["click"], "http://127.0.0.1/1?a=1&b=2")
        self.assertEqual(data["actions"], [{"action": "view", "label": "Open",
                                            "url": "http://127.0.0.1/1?a=1&b=2"}])
        self.assertEqual(data["tags"], ["summit"])
        self.assertIn("Putin met Xi", data["message"])
        self.assertLessEqual(len(data["message"].encode()), 4096)

    def test_slack(self):
        method, path, _, data = self.one(f"preset = slack\nurl = {self.server.url}/services/T/B/X")
        self.assertEqual((method, path), ("POST", "/services/T/B/X"))
        self.assertLessEqual(set(data), {"text", "blocks", "unfurl_links", "unfurl_media"})
        header, section = data["blocks"]
        self.assertEqual((header["type"], header["text"]["type"]), ("header", "plain_text"))
        self.assertLessEqual(len(header["text"]["text"]), 150)
        self.assertEqual((section["type"], section["text"]["type"]), ("section", "mrkdwn"))
        self.assertLessEqual(len(section["text"]["text"]), 3000)
        text = section["text"]["text"]
        self.assertIn("<http://127.0.0.1/1?a=1&amp;b=2|Putin &lt;3 @everyone", text)
        self.assertIn("*Putin* met *Xi*", text)
        self.assertNotIn("<!", text + data["text"])
        for entity in re.findall(r"&(?!amp;|lt;|gt;)", text + data["text"]):
            self.fail(f"bare {entity}")

    def test_mattermost(self):
        _, _, _, data = self.one(f"preset = mattermost\nurl = {self.server.url}/hooks/abc\n"
                                 "room = town-square")
        self.assertEqual(set(data), {"text", "username", "channel"})
        self.assertEqual(data["channel"], "town-square")
        self.assertIn("**Putin** met **Xi**", data["text"])
        self.assertNotIn("@everyone", data["text"])
        self.assertNotIn("[x](", data["text"])

    def test_discord(self):
        _, _, _, data = self.one(f"preset = discord\nurl = {self.server.url}/api/webhooks/1/t")
        self.assertEqual(data["allowed_mentions"], {"parse": []})
        self.assertLessEqual(set(data), {"content", "username", "embeds", "allowed_mentions"})
        self.assertEqual(len(data["embeds"]), 1)
        embed = data["embeds"][0]
        self.assertLessEqual(set(embed), {"title", "description", "url", "timestamp", "color",
                                          "footer"})
        self.assertLessEqual(len(embed["title"]), 256)
        self.assertLessEqual(len(embed["description"]), 4096)
        self.assertEqual(embed["url"], "http://127.0.0.1/1?a=1&b=2")
        self.assertRegex(embed["timestamp"], RFC3339)
        self.assertIn("**Putin** met **Xi**", embed["description"])
        self.assertNotIn("[x](", embed["title"])
        self.assertIsInstance(embed["color"], int)

    def test_matrix(self):
        method, path, headers, data = self.one(
            f"preset = matrix\nurl = {self.server.url}/\nroom = !abc:example.org\n"
            f"token = file:{self.secret('syt_x')}")
        self.assertEqual(method, "PUT")
        found = re.fullmatch(r"/_matrix/client/v3/rooms/([^/]+)/send/m\.room\.message/([^/]+)", path)
        self.assertTrue(found, path)
        self.assertEqual(urllib.parse.unquote(found.group(1)), "!abc:example.org")
        self.assertEqual(found.group(2), "feedwatch-" + self.d.alerts()[0]["id"])
        self.assertEqual(headers["Authorization"], "Bearer syt_x")
        self.assertEqual((data["msgtype"], data["format"]), ("m.text", "org.matrix.custom.html"))
        self.assertTrue(data["body"].startswith(TITLE + "\n"))
        self.assertIn('<a href="http://127.0.0.1/1?a=1&amp;b=2">Putin &lt;3 @everyone',
                      data["formatted_body"])
        self.assertIn("<b>Putin</b> met <b>Xi</b>", data["formatted_body"])
        self.assertEqual(data["m.mentions"], {})

    def test_alertmanager(self):
        method, path, _, data = self.one(f"preset = alertmanager\nurl = {self.server.url}")
        self.assertEqual((method, path), ("POST", "/api/v2/alerts"))
        self.assertIsInstance(data, list)
        alert = data[0]
        self.assertLessEqual(set(alert), {"labels", "annotations", "startsAt", "endsAt",
                                          "generatorURL"})
        self.assertEqual(alert["labels"], {
            "alertname": "FeedwatchMatch", "severity": "warning", "watch": "summit",
            "feed": "news", "id": self.d.alerts()[0]["id"]})
        for name in alert["labels"]:
            self.assertRegex(name, r"^[a-zA-Z_][a-zA-Z0-9_]*$")
        self.assertTrue(all(isinstance(v, str) for v in alert["annotations"].values()))
        self.assertEqual(alert["annotations"]["summary"], TITLE)
        self.assertRegex(alert["startsAt"], RFC3339)
        self.assertEqual(alert["generatorURL"], "http://127.0.0.1/1?a=1&b=2")

    # ---- a story that other feeds bring, too

    STORY = "Putin and Xi agree on a second summit in Geneva next month"

    def story(self, keys, answer):
        """The alert and what came after it when a second and a third feed had the story."""
        self.server.answers = [(200, {}, answer)]
        others = [self.origin.feed(f"/{name}", title=name, items=[Item("old")])
                  for name in ("bbc", "dw")]
        self.d = self.daemon("[feeds]\nnews = {/news}\nbbc = {/bbc}\ndw = {/dw}\n"
                             "[watchlist]\nsummit = Putin AND Xi\n"
                             f"[sink:hook]\ntype = webhook\nallow_private = yes\n{keys}\n",
                             folder=f"daemon{len(self.daemons)}").start()
        self.learnt(self.feed, *others)
        for n, feed in enumerate([self.feed, *others]):
            feed.publish(Item(self.STORY, link=f"http://127.0.0.1/{n}", summary="Putin Xi"))
            wait(lambda n=n: self.d.alerts() and n == len(self.sources()), 10, f"source {n}")
        return [(m, p, json.loads(b)) for m, p, _, b, _ in self.server.got]

    def sources(self):
        _, out, _ = self.d.command("alerts", "--json", "-c", self.d.config)
        return json.loads(out.splitlines()[0]).get("sources", [])

    def later(self, n):
        wait(lambda: len(self.server.got) >= n, 10, f"{n} requests")
        self.d.stop()
        return [(m, p, json.loads(b)) for m, p, _, b, _ in self.server.got]

    def test_story_alertmanager(self):
        self.story(f"preset = alertmanager\nurl = {self.server.url}", b"")
        (_, _, [first]), (_, _, [second]), (_, _, [third]) = self.later(3)
        self.assertEqual(first["labels"], third["labels"])
        self.assertNotIn("sources", first["annotations"])
        self.assertEqual((second["annotations"]["sources"], third["annotations"]["sources"]),
                         ("bbc", "bbc, dw"))

    def test_story_ntfy(self):
        self.story(f"preset = ntfy\nurl = {self.server.url}/t",
                   b'{"id":"x","sequence_id":"y"}')
        first, second, third = [data for _, _, data in self.later(3)]
        self.assertEqual(len({d["sequence_id"] for d in (first, second, third)}), 1)
        self.assertIn("summit \u00b7 news, bbc, dw\n", third["message"])

    def test_story_ntfy_before_2_16(self):
        self.story(f"preset = ntfy\nurl = {self.server.url}/t", b'{"id":"x"}')
        self.assertEqual(len(self.later(1)), 1)

    def test_story_discord(self):
        self.story(f"preset = discord\nurl = {self.server.url}/api/webhooks/1/t?thread_id=7",
                   b'{"id":"1234","content":""}')
        first, second, third = self.later(3)
        self.assertEqual(first[:2], ("POST", "/api/webhooks/1/t?thread_id=7&wait=true"))
        for method, path, data in (second, third):
            self.assertEqual((method, path),
                             ("PATCH", "/api/webhooks/1/t/messages/1234?thread_id=7"))
            self.assertLessEqual(set(data), {"embeds", "allowed_mentions"})
        self.assertEqual(third[2]["embeds"][0]["footer"]["text"], "summit \u00b7 news, bbc, dw")

    def test_story_matrix(self):
        self.story(f"preset = matrix\nurl = {self.server.url}\nroom = !a:b\n"
                   f"token = file:{self.secret('t')}", b'{"event_id":"$ev"}')
        first, second, third = self.later(3)
        self.assertEqual({m for m, _, _ in (first, second, third)}, {"PUT"})
        self.assertEqual(len({p for _, p, _ in (first, second, third)}), 3, "transactions")
        self.assertNotIn("m.relates_to", first[2])
        for _, _, data in (second, third):
            self.assertEqual(data["m.relates_to"], {"rel_type": "m.replace", "event_id": "$ev"})
            self.assertEqual(data["m.new_content"]["msgtype"], "m.text")
            self.assertEqual("* " + data["m.new_content"]["body"], data["body"])
        self.assertIn("summit \u00b7 news, bbc, dw<br>",
                      third[2]["m.new_content"]["formatted_body"])

    def once(self, preset):
        self.story(f"preset = {preset}\nurl = {self.server.url}", b"ok")
        self.assertEqual(len(self.later(1)), 1)

    def test_story_json_changes_nothing(self):
        self.once("json")

    def test_story_slack_changes_nothing(self):
        self.once("slack")

    def test_story_mattermost_changes_nothing(self):
        self.once("mattermost")

    def alertmanager(self):
        """The command that runs Debian's: it wants its templates below /usr."""
        name = "prometheus-alertmanager"
        if shutil.which(name):
            return [name]
        unpacked = os.path.join(bench.TOP, "build", "servers", name, "usr")
        if not os.path.exists(unpacked):
            self.skipTest(f"no {name}: tests/setup test unpacks it")
        return ["bwrap", "--die-with-parent", "--tmpfs", "/", "--ro-bind", unpacked, "/usr",
                "--ro-bind", "/lib", "/lib", "--ro-bind-try", "/lib64", "/lib64", "--dev", "/dev",
                "--proc", "/proc", "--bind", self.folder, self.folder, f"/usr/bin/{name}"]

    def test_a_real_alertmanager(self):
        program = self.alertmanager()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with open(os.path.join(self.folder, "am.yml"), "w", encoding="utf-8") as file:
            file.write("route:\n  receiver: none\nreceivers:\n- name: none\n")
        with open(os.path.join(self.folder, "am.log"), "wb") as log:
            process = subprocess.Popen(
                [*program, f"--config.file={file.name}", f"--storage.path={self.folder}/am",
                 f"--web.listen-address={url[7:]}", "--cluster.listen-address="],
                stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def ask(path):
            try:
                with urllib.request.urlopen(url + path) as answer:
                    return json.load(answer)
            except OSError:
                return None
        wait(lambda: ask("/api/v2/status"), 20, "Alertmanager", step=0.1)
        self.story(f"preset = alertmanager\nurl = {url}", b"")
        found = wait(lambda: [a for a in ask("/api/v2/alerts") or []
                              if a["annotations"].get("sources") == "bbc, dw"], 15,
                     "the alert in Alertmanager", step=0.1)
        self.assertEqual(len(ask("/api/v2/alerts")), 1)
        alert, ours = found[0], self.d.alerts()[0]
        self.assertEqual(alert["labels"], {
            "alertname": "FeedwatchMatch", "severity": "warning", "watch": "summit",
            "feed": "news", "id": ours["id"]})
        self.assertEqual(alert["annotations"]["summary"], self.STORY)
        self.assertEqual(alert["startsAt"], ours["time"])
        self.assertEqual(alert["generatorURL"], "http://127.0.0.1/0")
        self.assertEqual(alert["status"]["state"], "active")
        self.assertNotIn("sink_failed", self.d.stderr())
        self.d.stop()

    def test_t3_no_unsafe_character_reaches_any_service(self):
        title = "Putin\u202e Xi\u009b31m\u200b\n\u2066x \ufeff"
        for preset in ("ntfy", "slack", "mattermost", "discord", "matrix", "alertmanager"):
            with self.subTest(preset):
                self.server.got.clear()
                more = (f"room = !a:b\ntoken = file:{self.secret('t')}" if preset == "matrix"
                        else "room = topic" if preset in ("ntfy", "mattermost") else "")
                _, _, _, data = self.one(f"preset = {preset}\nurl = {self.server.url}/\n{more}",
                                         Item(title + preset, summary=title + " Putin Xi"))
                text = json.dumps(data, ensure_ascii=False)
                self.assertEqual(re.findall("[\u0080-\u009f\u200b\u202a-\u202e\u2066-\u2069\ufeff]",
                                            text), [])

    # ---- manners

    def test_429_and_retry_after_are_obeyed(self):
        self.server.answers = [(429, {"Retry-After": "3"}, b"slow down"), (503, {}, b"")]
        self.with_sink(f"url = {self.server.url}/")
        self.feed.publish(Item("Putin and Xi"))
        got = self.posted(3)
        self.assertGreaterEqual(got[1][4] - got[0][4], 2.9)
        self.assertEqual(len({g[2]["Webhook-Id"] for g in got}), 1, "one id in all tries")
        self.assertEqual(len({g[3] for g in got}), 1)
        self.assertIn("HTTP status 429: slow down", self.d.stderr())
        wait(lambda: "sink_recovered" in self.d.stderr(), 5, "a word about it")
        self.d.stop()

    def test_429_of_matrix(self):
        self.server.answers = [(429, {}, b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}')]
        self.with_sink(f"preset = matrix\nurl = {self.server.url}\nroom = !a:b\n"
                       f"token = file:{self.secret('t')}")
        self.feed.publish(Item("Putin and Xi"))
        got = self.posted(2)
        self.assertGreaterEqual(got[1][4] - got[0][4], 2.4)
        self.assertEqual(got[0][1], got[1][1], "the same transaction")
        self.d.stop()

    def test_matrix_tries_again_with_more_as_another_transaction(self):
        """Else the server, which had taken the first, would drop what the second has more."""
        self.server.answers = [(502, {"Retry-After": "1"}, b"taken, though")]
        self.with_sink(f"preset = matrix\nurl = {self.server.url}\nroom = !a:b\n"
                       f"token = file:{self.secret('t')}")
        self.feed.publish(Item("Putin and Xi 1"))
        self.posted(1)
        self.feed.publish(Item("Putin and Xi 2"), Item("Putin and Xi 3"))
        wait(lambda: "Putin and Xi 3" in str([g[3] for g in self.server.got]), 15, "all of them")
        paths = [g[1] for g in self.server.got]
        bodies = [g[3] for g in self.server.got]
        for path in set(paths):
            self.assertEqual(len({b for p, b in zip(paths, bodies) if p == path}), 1)
        self.d.stop()

    def test_a_bad_request_is_skipped_after_three_tries(self):
        self.server.answers = [(400, {}, b"no")] * 3
        self.with_sink(f"url = {self.server.url}/")
        self.feed.publish(Item("Putin and Xi 1"))
        self.posted(1)
        self.feed.publish(Item("Putin and Xi 2"))
        got = [json.loads(g[3])["data"]["seq"] for g in self.posted(4, 20)]
        self.assertEqual(got, [1, 1, 1, 2])
        self.d.stop()

    def test_s8_a_redirect_is_not_followed(self):
        other = Server()
        self.addCleanup(other.close)
        self.server.answers = [(302, {"Location": other.url + "/"}, b"")] * 50
        self.with_sink(f"url = {self.server.url}/\ntoken = file:{self.secret('t')}")
        self.feed.publish(Item("Putin and Xi"))
        self.posted(2)
        self.assertEqual(other.got, [])
        self.assertIn("a redirect is not followed", self.d.stderr())
        self.d.stop()

    def test_s1_a_private_address_is_refused_unless_allowed(self):
        self.with_sink(f"url = {self.server.url}/s3cret", private="")
        self.feed.publish(Item("Putin and Xi"))
        wait(lambda: "a loopback address is not allowed" in self.d.stderr(), 10, "refusal")
        self.assertEqual(self.server.got, [])
        self.assertNotIn("s3cret", self.d.stderr())
        self.d.stop()

    def test_keeps_to_its_pace(self):
        self.with_sink(f"url = {self.server.url}/\nper_minute = 120")
        version = self.feed.version
        self.feed.publish(*[Item(f"Putin and Xi {number}") for number in range(5)])
        got = self.posted(5)
        asked = self.feed.first_served(version + 1).time  # nothing was known before
        for number, (*_, at) in enumerate(got):
            self.assertGreaterEqual(at - asked, 0.5 * number)
        self.assertEqual([json.loads(g[3])["data"]["seq"] for g in got], [1, 2, 3, 4, 5])
        self.d.stop()

    def test_many_at_once_become_few_messages(self):
        self.with_sink(f"preset = discord\nurl = {self.server.url}/")
        self.feed.publish(*[Item(f"Putin and Xi {number}", summary="Putin and Xi " * 500)
                            for number in range(18)])
        wait(lambda: sum(len(json.loads(g[3])["embeds"]) for g in self.server.got) >= 18, 20, "all")
        self.assertLessEqual(len(self.server.got), 5)
        for g in self.server.got:
            embeds = json.loads(g[3])["embeds"]
            self.assertLessEqual(len(embeds), 10)
            self.assertLessEqual(sum(len(e["title"]) + len(e.get("description", ""))
                                     + len(e["footer"]["text"]) for e in embeds), 6000)
        self.d.stop()

    def test_what_does_not_fit_into_slack_as_links_names_nobody(self):
        """A list with long links is plain text: what stands in <...> calls nobody."""
        self.with_sink(f"preset = slack\nurl = {self.server.url}/services/T/B/X")
        self.feed.publish(*[Item(f"<!channel> Putin Xi number{n * 7919}", guid=str(n),
                                 link=f"http://127.0.0.1/{n}?{'x' * 900}") for n in range(10)])

        def parts():
            return [b["text"] for g in self.server.got for b in json.loads(g[3])["blocks"]]
        wait(lambda: [p for p in parts() if p["type"] == "plain_text" and "?xxx" in p["text"]], 15,
             "a list that is plain text")
        for part in parts():
            self.assertLessEqual(len(part["text"]), 3000)
            if part["type"] == "mrkdwn":
                self.assertNotIn("<!", part["text"])
        self.d.stop()

    def test_a_server_that_hangs_delays_nothing_else(self):
        self.server.hanging = True
        self.with_sink(f"url = {self.server.url}/\ntimeout = 60s")
        titles = []
        for number in range(4):
            titles.append(f"Putin and Xi {number}")
            polls, at = len(self.feed.requests()), self.feed.publish(Item(titles[-1]))
            self.expect_titles(self.d, titles)
            self.assertLess(bench.took(at), 3 * bench.SLOW)
            self.origin.wait(lambda n=polls: len(self.feed.requests()) > n + 1, 5 * bench.SLOW)
        took = self.d.stop()
        self.assertLess(took, 2 * bench.SLOW)
        print(f"stopped in {took * 1000:.0f} ms ... ", end="")
        self.server.hanging = False
        self.server.got.clear()
        self.d.start()
        got = [json.loads(g[3])["data"]["seq"] for g in self.posted(4)]
        self.assertEqual(got, [1, 2, 3, 4], "nothing is lost")
        self.d.stop()

    def test_one_that_is_down_comes_back(self):
        port = self.server.server_port
        self.server.close()
        self.server.close = lambda: None
        self.with_sink(f"url = http://127.0.0.1:{port}/")
        self.feed.publish(Item("Putin and Xi"))
        wait(lambda: "sink_failed" in self.d.stderr(), 10, "a word about it")
        self.server = Server(port)
        self.addCleanup(self.server.close)
        self.posted(1, 20)
        self.d.stop()

    def test_a_secret_that_everybody_can_read_is_not_used(self):
        path = self.secret("t")
        os.chmod(path, 0o644)
        self.with_sink(f"url = {self.server.url}/\ntoken = file:{path}")
        self.feed.publish(Item("Putin and Xi"))
        wait(lambda: "can be read by everybody" in self.d.stderr(), 10, "refusal")
        self.assertEqual(self.server.got, [])
        os.chmod(path, 0o600)
        self.posted(1)
        self.d.stop()

    def test_bad_lines_are_refused(self):
        for lines, words in (("preset = teams\nurl = http://a.test/", ["preset", "discord"]),
                             ("preset = slack", ["url"]),
                             ("url = http://a.test/\nsecret_url = file:x", ["not both"]),
                             ("preset = matrix\nurl = http://a.test/", ["room"]),
                             ("preset = matrix\nurl = http://a.test/\nroom = !a:b", ["token"]),
                             ("preset = ntfy\nurl = http://a.test/", ["topic"]),
                             ("url = http://a.test/\ntoken = hunter2", ["file:PATH"]),
                             ("url = http://a.test/\ntoken = credential:../x", ["credential:NAME"]),
                             ("url = http://a.test/\nformat = json", ["has no format"])):
            with self.subTest(lines):
                daemon = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\ns = a\n"
                                     f"[sink:hook]\ntype = webhook\n{lines}\n")
                status, _, err = daemon.command("check", "-c", daemon.config)
                self.assertEqual(status, 78, err)
                self.assertRegex(err, r"feedwatch.ini:\d+: ")
                for word in words:
                    self.assertIn(word, err)


if __name__ == "__main__":
    bench.main()
