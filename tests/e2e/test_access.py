#!/usr/bin/env python3
"""Beside the contract with publishers: what a feed may be given, and where that never goes."""
import os

import bench
from bench import Item, wait
import origin
import polite
from polite import items, rss


class Access(polite.Test):
    """Beside the contract: what a feed may be given, and where that never goes."""

    def secret(self, text, mode=0o600):
        path = os.path.join(self.folder, "secret")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_credentials_stay_with_their_origin_and_out_of_the_logs(self):
        other = origin.Origin()
        self.addCleanup(other.stop)
        other.feed("/there", items=items(1))
        self.origin.answer("/news", origin.redirect("/home", 302))
        self.origin.answer("/home", origin.redirect(other.url("/there"), 302))
        path = self.secret("s3cr3t-token\n")
        daemon = self.run_one(f"bearer_token = file:{path}\nheader = X-Key: pass-w0rd\n")
        other.wait(lambda: len(other.requests()) >= 2, 10 * bench.SLOW)
        for place in ("/news", "/home"):
            request = self.origin.requests(place)[0]
            self.assertEqual(request.header("Authorization"), "Bearer s3cr3t-token")
            self.assertEqual(request.header("X-Key"), "pass-w0rd")
        for request in other.requests():
            self.assertIsNone(request.header("Authorization"))
            self.assertIsNone(request.header("X-Key"))
        daemon.stop()
        code, out, err = daemon.command("status", "-c", daemon.config, "--feed", "news")
        with open(os.path.join(daemon.state, "feedwatch.db"), "rb") as file:
            kept = file.read()
        for text in ("s3cr3t", "pass-w0rd"):
            self.assertNotIn(text, daemon.stderr() + out + err)
            self.assertNotIn(text.encode(), kept)

    def test_a_secret_that_others_may_read_is_refused(self):
        path = self.secret("me:x\n", 0o644)
        daemon = self.daemon(f"[feed:news]\nurl = {{/news}}\nbasic_auth = file:{path}\n"
                             + self.WATCH)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 78)
        self.assertIn("chmod o=", err)
        self.assertNotIn("me:x", err)

    def test_a_credential_of_systemd(self):
        feed = self.origin.feed("/news", items=items(1))
        self.secret("me:pw\n", 0o400)
        daemon = self.daemon("[feed:news]\nurl = {/news}\nbasic_auth = credential:secret\n"
                             + self.WATCH, env={"CREDENTIALS_DIRECTORY": self.folder}).start()
        self.learnt(feed)
        self.assertEqual(feed.requests()[0].header("Authorization"), "Basic bWU6cHc=")
        daemon.stop()

    def test_a_local_file_is_read_when_it_changes(self):
        path = os.path.join(self.folder, "feed.xml")
        with open(path, "wb") as file:
            file.write(rss(*items(2)))
        daemon = self.daemon(f"[feed:news]\nfile = {path}\n{self.WATCH}").start()
        self.polled(daemon, polls=3)
        self.assertGreaterEqual(self.stored(daemon)["not_modified"], 2)
        with open(path + ".new", "wb") as file:
            file.write(rss(Item("Putin and Xi, on file", guid="urn:n"), *items(2)))
        os.replace(path + ".new", path)
        self.expect_titles(daemon, ["Putin and Xi, on file"])
        os.remove(path)
        wait(lambda: self.stored(daemon)["failures"], 10, "the missing file", 0.05)
        daemon.stop()

    def test_no_url_leads_to_a_file(self):
        daemon = self.daemon("[feeds]\nnews = file:///etc/passwd\n" + self.WATCH)
        code, _, err = daemon.command("check", "-c", daemon.config)
        self.assertEqual(code, 78)

    def test_a_proxy_and_none_from_the_environment(self):
        proxy = origin.Origin()
        self.addCleanup(proxy.stop)
        proxy.answer("http://feed.example/news", origin.status(200, [], rss(*items(1))))
        feed = self.origin.feed("/direct", items=items(1))
        daemon = self.daemon("[feed:far]\nurl = http://feed.example/news\n"
                             f"proxy = {proxy.url('')}\n[feed:near]\nurl = {{/direct}}\n"
                             + self.WATCH, env={"http_proxy": "http://127.0.0.1:1"}).start()
        self.learnt(feed)
        self.polled(daemon, "far")
        self.assertEqual(self.stored(daemon, "far")["http_status"], 200)
        daemon.stop()

    def test_another_url_of_another_feed_is_learnt_silently(self):
        old = self.origin.feed("/news", items=items(5))
        news = [Item(f"Putin and Xi {n}", guid=f"urn:o{n}", link=f"http://127.0.0.1/o{n}")
                for n in range(5)]
        other = self.origin.feed("/other", document=rss(*news))
        daemon = self.run_one()
        self.learnt(old)
        self.swap(daemon, "/news", "/other")
        self.learnt(other)
        self.assertEqual(daemon.titles(), [])
        other.replace(document=rss(Item("Xi and Putin, new", guid="urn:n"), *news))
        self.expect_titles(daemon, ["Xi and Putin, new"])
        daemon.stop()

    def test_another_url_of_the_same_feed_goes_on(self):
        known = items(5)
        old = self.origin.feed("/news", document=rss(*known))
        self.origin.feed("/other", document=rss(Item("Putin and Xi, moved", guid="urn:n"), *known))
        daemon = self.run_one()
        self.learnt(old)
        self.swap(daemon, "/news", "/other")
        self.expect_titles(daemon, ["Putin and Xi, moved"])
        daemon.stop()

    def swap(self, daemon, a, b):
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace(a, b))
        daemon.reload()


if __name__ == "__main__":
    bench.main()
