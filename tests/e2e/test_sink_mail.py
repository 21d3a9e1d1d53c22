#!/usr/bin/env python3
"""Mail against an SMTP server on loopback: TLS, login, refusals, and messages by the book
(RFC 5322, 2045, 2047, 2369, 8058)."""
import base64
import email
import email.policy
import email.utils
import json
import mailbox
import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading
import time

import bench
from bench import Item, wait

LONG = "Putin and Xi \u4e60\u8fd1\u5e73 " + "\u0421\u043b\u043e\u0432\u043e " * 30 + "\U0001F680 end"


class Smtp(socketserver.ThreadingTCPServer):
    """A small SMTP server that keeps what it is given; `refuse` maps a command to replies."""
    allow_reuse_address = daemon_threads = True

    def __init__(self, context=None, implicit=False, login=None):
        self.mails, self.said, self.refuse, self.hang = [], [], {}, threading.Event()
        self.hanging = False
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def reply(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def reopen(self):
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
                self.secure = True

            def handle(self):
                self.secure, self.user = False, None
                sender, to = None, []
                if implicit:
                    self.reopen()
                if server.hanging:
                    server.hang.wait(60)
                    return
                self.reply("220 loopback ESMTP")
                while line := self.rfile.readline().decode():
                    server.said.append(line.strip())
                    word = line.split()[0].upper() if line.split() else ""
                    verb = line.upper().split(":")[0].strip()
                    answers = server.refuse.get(verb) or server.refuse.get(word)
                    if answers:
                        self.reply(answers.pop(0))
                    elif word == "EHLO":
                        lines = ["loopback", "SMTPUTF8", "8BITMIME"]
                        if context and not self.secure:
                            lines.append("STARTTLS")
                        if login and self.secure:
                            lines.append("AUTH PLAIN")
                        for k, text in enumerate(lines):
                            self.reply(f"250{' ' if k == len(lines) - 1 else '-'}{text}")
                    elif word == "STARTTLS":
                        self.reply("220 go")
                        self.reopen()
                    elif word == "AUTH":
                        parts = line.split()
                        if len(parts) < 3:
                            self.reply("334 ")
                            parts.append(self.rfile.readline().decode().strip())
                        self.user = tuple(base64.b64decode(parts[2]).decode().split("\0")[1:])
                        self.reply("235 ok" if self.user == login else "535 no")
                    elif verb == "MAIL FROM":
                        sender, to = re.search("<(.*?)>", line).group(1), []
                        self.reply("250 ok")
                    elif verb == "RCPT TO":
                        to.append(re.search("<(.*?)>", line).group(1))
                        self.reply("250 ok")
                    elif word == "DATA":
                        self.reply("354 go")
                        data = b""
                        while (part := self.rfile.readline()) != b".\r\n":
                            data += part[1:] if part.startswith(b".") else part
                        server.mails.append((sender, to, data, self.secure, self.user))
                        self.reply("250 ok")
                    elif word == "QUIT":
                        self.reply("221 bye")
                        return
                    else:
                        self.reply("250 ok")
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that does not trust us

    def close(self):
        self.hang.set()
        self.shutdown()
        self.server_close()


def faults(data):
    """What RFC 5322 has against these bytes."""
    found = []
    if re.search(rb"(?<!\r)\n|\r(?!\n)", data):
        found.append("bare CR or LF")
    head, _, body = data.partition(b"\r\n\r\n")
    for line in data.split(b"\r\n"):
        if len(line) > 998:
            found.append("line of more than 998 characters")
    for line in head.split(b"\r\n") + body.split(b"\r\n"):
        if len(line) > 78 and not line.startswith((b"List-", b"Content-Type", b" boundary")):
            found.append(f"line of {len(line)}: {line[:60]}")
    if any(c > 126 or c < 32 and c not in (9, 10, 13) for c in data):
        found.append("not 7-bit")
    names = [line.split(b":")[0].decode() for line in head.split(b"\r\n")
             if line[:1] not in b" \t"]
    for name in ("Date", "From", "To", "Subject", "Message-ID", "MIME-Version", "Content-Type"):
        if names.count(name) != 1:
            found.append(f"{names.count(name)} of {name}")
    if len(names) != len(set(names)):
        found.append("a field stands twice")
    message = email.message_from_bytes(data, policy=email.policy.default)
    for part in message.walk():
        found += [str(d) for d in part.defects]
    for name in message:
        found += [f"{name}: {d}" for d in message[name].defects]
    return found


class Mail(bench.Test):
    def setUp(self):
        super().setUp()
        self.feed = self.origin.feed("/news", title="News", items=[Item("old")])
        self.server = None

    def serve(self, **more):
        self.server = Smtp(**more)
        self.addCleanup(self.server.close)
        return self.server

    def tls(self):
        """A context with a certificate for 127.0.0.1, and the file to trust it by."""
        cert, key = (os.path.join(self.folder, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=loopback",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context, cert

    def with_sink(self, keys, server=None):
        self.d = self.daemon("[feeds]\nnews = {/news}\n[watch:summit]\nmatch = Putin AND Xi\n"
                             "priority = critical\n"
                             f"[sink:post]\ntype = mail\n"
                             f"server = {server or 'smtp://' + self.server.address}\n"
                             f"from = Feedwatch \u00fcber alles <watch@example.org>\n"
                             f"to = ann@example.org, Bob B. <bob@example.net>\n{keys}\n").start()
        self.learnt(self.feed)
        return self.d

    def mails(self, n=1, seconds=15):
        wait(lambda: len(self.server.mails) >= n, seconds, f"{n} mails")
        return self.server.mails

    def password(self, text="s3cret"):
        path = os.path.join(self.folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(path, 0o600)
        return path

    def test_messages_by_the_book(self):
        self.serve()
        self.with_sink("tls = no\nunsubscribe = https://example.org/u?x=1")
        items = [Item("Putin and Xi", summary="Putin & Xi: 1 &lt; 2 = 3 .\n.\n" + "word " * 300,
                      link="http://127.0.0.1/1?a=1&b=2"),
                 Item(LONG, summary="\u041f\u0443\u0442\u0438\u043d Putin Xi"),
                 Item("Putin Xi\r\nBcc: evil@example.com\r\n\r\nforged =?UTF-8?B?eA==?= \u202e\u009b")]
        for n, item in enumerate(items):
            self.feed.publish(item)
            self.mails(n + 1)
        for sender, to, data, *_ in self.server.mails:
            self.assertEqual(faults(data), [])
            self.assertEqual((sender, to), ("watch@example.org", ["ann@example.org",
                                                                   "bob@example.net"]))
        messages = [email.message_from_bytes(m[2], policy=email.policy.default)
                    for m in self.server.mails]
        alerts = self.d.alerts()
        first, long, forged = messages
        self.assertEqual(first["Subject"], "[summit] Putin and Xi")
        self.assertEqual(long["Subject"], "[summit] " + LONG[:250])
        self.assertTrue(forged["Subject"].startswith("[summit] Putin Xi Bcc: evil@example.com"))
        self.assertIsNone(forged["Bcc"])
        self.assertEqual(first["From"].addresses[0].display_name, "Feedwatch \u00fcber alles")
        self.assertEqual([a.addr_spec for a in first["To"].addresses],
                         ["ann@example.org", "bob@example.net"])
        self.assertEqual([m["Message-ID"] for m in messages],
                         [f"<{a['id']}@example.org>" for a in alerts])
        self.assertLess(abs(email.utils.parsedate_to_datetime(first["Date"]).timestamp()
                            - time.time()), 60)
        self.assertEqual(first["List-Unsubscribe"], "<https://example.org/u?x=1>")
        self.assertEqual(first["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertEqual(first["List-Id"], "<summit.feedwatch.example.org>")
        self.assertEqual(first["Auto-Submitted"], "auto-generated")
        self.assertEqual(first["Importance"], "high")
        self.assertEqual(first.get_content_type(), "multipart/alternative")
        plain, html = first.iter_parts()
        self.assertEqual((plain.get_content_type(), html.get_content_type()),
                         ("text/plain", "text/html"))
        self.assertIn("http://127.0.0.1/1?a=1&b=2", plain.get_content())
        self.assertIn("Putin & Xi: 1 < 2 = 3 . .", plain.get_content())
        self.assertIn("<b>Putin</b> &amp; <b>Xi</b>: 1 &lt; 2", html.get_content())
        self.assertIn('<a href="http://127.0.0.1/1?a=1&amp;b=2">', html.get_content())
        self.d.stop()

    def test_a_thread_for_each_story(self):
        self.serve()
        self.with_sink("tls = no")
        for n, link in enumerate(("http://127.0.0.1/a?utm_source=x", "http://127.0.0.1/b")):
            self.feed.publish(Item(f"Putin and Xi {n}", link=link))
            self.mails(n + 1)
        a, b = [email.message_from_bytes(m[2], policy=email.policy.default)
                for m in self.server.mails]
        for message in (a, b):
            self.assertRegex(message["References"], r"^<story\.[0-9a-f]{32}@example.org>$")
            self.assertEqual(message["References"], message["In-Reply-To"])
        self.assertNotEqual(a["References"], b["References"])
        self.d.stop()

    def test_later_sources_answer_in_the_thread(self):
        self.serve()
        others = [self.origin.feed(f"/{n}", title=n, items=[Item("old")]) for n in "abcd"]
        daemon = self.daemon(
            "[feeds]\nnews = {/news}\n" + "".join(f"{n} = {{/{n}}}\n" for n in "abcd")
            + "[watchlist]\nsummit = Putin AND Xi\n[sink:post]\ntype = mail\ntls = no\n"
            f"server = smtp://{self.server.address}\nfrom = w@example.org\nto = a@b.c\n").start()
        self.learnt(self.feed, *others)

        def sources():
            _, out, _ = daemon.command("alerts", "--json", "-c", daemon.config)
            return json.loads(out.splitlines()[0]).get("sources", []) if out else []
        for n, feed in enumerate([self.feed, *others]):
            feed.publish(Item("Putin and Xi agree on a second summit in Geneva next month",
                              link=f"http://127.0.0.1/{n}", summary="Putin & Xi."))
            wait(lambda n=n: len(sources()) == n and daemon.alerts(), 10, f"source {n}")
            if n in (0, 1, 2, 4):
                self.mails({0: 1, 1: 2, 2: 3, 4: 4}[n])
        first, *answers = [email.message_from_bytes(m[2], policy=email.policy.default)
                           for m in self.mails(4)]
        for mail in self.server.mails:
            self.assertEqual(faults(mail[2]), [])
        for answer in answers:
            self.assertEqual(answer["Subject"], "Re: " + first["Subject"])
            self.assertEqual(answer["In-Reply-To"], first["Message-ID"])
            self.assertEqual(answer["References"].split(),
                             [first["References"], first["Message-ID"]])
        self.assertEqual(len({m["Message-ID"] for m in (first, *answers)}), 4)
        plain, html = answers[2].iter_parts()
        for n, link in zip("abcd", range(1, 5)):
            self.assertIn(f"\u2022 {n}: Putin and Xi agree", plain.get_content())
            self.assertIn(f'<a href="http://127.0.0.1/{link}">', html.get_content())
        daemon.stop()
        self.assertEqual(len(self.server.mails), 4)

    def test_a_real_server(self):
        """aiosmtpd keeps to RFC 5321 and 8314; a Maildir gets what it takes."""
        probe = subprocess.run(["/usr/bin/python3", "-c", "import aiosmtpd"], check=False,
                               capture_output=True)
        if probe.returncode:
            self.skipTest("no python3-aiosmtpd")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        _, cert = self.tls()
        box = os.path.join(self.folder, "Maildir")
        process = subprocess.Popen(
            ["/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}",
             "--tlscert", cert, "--tlskey", cert.replace("cert", "key"),
             "-c", "aiosmtpd.handlers.Mailbox", box], stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def up():
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            except OSError:
                return False
        wait(up, 20, "the server", step=0.1)
        self.with_sink(f"ca_file = {cert}", server=f"smtp://127.0.0.1:{port}")
        title = LONG + "\n.\nBcc: x@y.z"
        self.feed.publish(Item(title, summary="Putin Xi\n.\n..\nend " * 40, link="http://127.0.0.1/1"))
        wait(lambda: os.path.isdir(box + "/new") and os.listdir(box + "/new"), 15, "the mail")
        mails = list(mailbox.Maildir(box, factory=None))
        self.assertEqual(len(mails), 1)
        message = email.message_from_bytes(mails[0].as_bytes(), policy=email.policy.default)
        self.assertTrue(message["Subject"].startswith("[summit] Putin and Xi \u4e60"))
        self.assertEqual(message["X-RcptTo"], "ann@example.org, bob@example.net")
        self.assertIsNone(message["Bcc"])
        self.assertIn("Putin Xi . .. end", message.get_body(("plain",)).get_content()
                      .replace("\n", " "))
        self.d.stop()

    def test_starttls_and_login(self):
        context, cert = self.tls()
        self.serve(context=context, login=("ann", "s3cret"))
        self.with_sink(f"user = ann\npassword = file:{self.password()}\nca_file = {cert}")
        self.feed.publish(Item("Putin and Xi"))
        self.assertEqual(self.mails()[0][3:], (True, ("ann", "s3cret")))
        self.assertNotIn("s3cret", self.d.stderr())
        self.d.stop()

    def test_smtps(self):
        context, cert = self.tls()
        self.serve(context=context, implicit=True, login=("ann", "s3cret"))
        self.with_sink(f"user = ann\npassword = file:{self.password()}\nca_file = {cert}",
                       server="smtps://" + self.server.address)
        self.feed.publish(Item("Putin and Xi"))
        self.assertEqual(self.mails()[0][3:], (True, ("ann", "s3cret")))
        self.d.stop()

    def test_nothing_is_said_to_a_server_without_tls_or_trust(self):
        context, _ = self.tls()
        for more, word in (({}, "STARTTLS"), ({"context": context}, "certificate")):
            with self.subTest(word):
                self.serve(login=("ann", "s3cret"), **more)
                daemon = self.daemon(
                    "[feeds]\nnews = {/news}\n[watchlist]\nsummit = Putin AND Xi\n[sink:post]\n"
                    f"type = mail\nserver = smtp://{self.server.address}\nfrom = a@example.org\n"
                    f"to = b@example.org\nuser = ann\npassword = file:{self.password()}\n",
                    folder=word).start()
                self.polled_again(self.feed)
                self.feed.publish(Item("Putin and Xi " + word))
                wait(lambda d=daemon: "sink_failed" in d.stderr(), 10, "refusal")
                self.assertEqual(self.server.mails, [])
                self.assertEqual([s for s in self.server.said if s.startswith(("AUTH", "MAIL"))], [])
                daemon.stop()

    def test_greylisting_is_waited_for_and_a_refusal_is_not(self):
        self.serve()
        self.server.refuse = {"RCPT TO": ["451 later", "451 later"] }
        self.with_sink("tls = no")
        self.feed.publish(Item("Putin and Xi 1"))
        self.assertEqual(len(self.mails(1)), 1)
        self.server.refuse = {"MAIL FROM": ["550 never"] * 3}
        self.feed.publish(Item("Putin and Xi 2"))
        wait(lambda: not self.server.refuse["MAIL FROM"], 20, "three tries")
        self.feed.publish(Item("Putin and Xi 3"))
        mails = self.mails(2, 20)
        self.assertEqual([email.message_from_bytes(m[2])["Subject"] for m in mails],
                         ["[summit] Putin and Xi 1", "[summit] Putin and Xi 3"])
        self.d.stop()

    def test_a_server_that_hangs_delays_nothing_else(self):
        self.serve()
        self.server.hanging = True
        self.with_sink("tls = no")
        titles = []
        for number in range(3):
            titles.append(f"Putin and Xi {number}")
            at = self.feed.publish(Item(titles[-1]))
            self.expect_titles(self.d, titles)
            self.assertLess(bench.took(at), 3 * bench.SLOW)
        self.assertLess(self.d.stop(), 2 * bench.SLOW)
        self.server.hanging = False
        self.d.start()
        self.mails(3)
        self.d.stop()

    def test_bad_lines_are_refused(self):
        good = "server = smtp://a.test\nfrom = a@b.c\nto = a@b.c\n"
        for lines, words in (("server = a.test\nfrom = a@b.c\nto = a@b.c", ["smtps://HOST"]),
                             ("server = http://a.test\nfrom = a@b.c\nto = a@b.c", ["smtp://"]),
                             ("server = smtp://a.test\nfrom = ann\nto = a@b.c", ["from", "USER@HOST"]),
                             ("server = smtp://a.test\nfrom = a@b.c\nto = a@b.c, x y@z", ["to"]),
                             ("server = smtp://a.test\nto = a@b.c", ["has no from"]),
                             (good + "user = x", ["password"]),
                             (good + "user = x\npassword = y", ["file:PATH"]),
                             (good + "user = x\npassword = file:y\ntls = no", ["without TLS"]),
                             (good + "tls = maybe", ["required"]),
                             (good + "unsubscribe = http://a.test/", ["https"]),
                             (good + "url = http://a.test/", ["has no url"])):
            with self.subTest(lines):
                daemon = self.daemon("[feeds]\nnews = {/news}\n[watchlist]\ns = a\n"
                                     f"[sink:post]\ntype = mail\n{lines}\n")
                status, _, err = daemon.command("check", "-c", daemon.config)
                self.assertEqual(status, 78, err)
                self.assertRegex(err, r"feedwatch.ini:\d+: ")
                for word in words:
                    self.assertIn(word, err)


if __name__ == "__main__":
    bench.main()
