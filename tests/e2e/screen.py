"""A desktop without a screen: Xvfb, a private session bus, and pictures of what is shown."""
import os
import re
import struct
import subprocess
import zlib

from bench import wait


class Screen:
    """Xvfb on a display of its own; its picture is read from the frame buffer's file."""

    def __init__(self, folder, width=900, height=400):
        self.file = os.path.join(folder, "Xvfb_screen0")
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-fbdir", folder, "-nolisten", "tcp",
             "-screen", "0", f"{width}x{height}x24"],
            pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        self.display = ":" + number

    def rows(self):
        """The picture, as rows of RGB bytes (the file is in XWD format)."""
        with open(self.file, "rb") as file:
            data = file.read()
        head = struct.unpack(">25I", data[:100])
        start, width, height, line = head[0] + head[19] * 12, head[4], head[5], head[12]
        rows = []
        for y in range(height):
            row = data[start + y * line:start + y * line + width * 4]
            rgb = bytearray(width * 3)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(rgb))
        return rows

    def colours(self):
        return len({row[x:x + 3] for row in self.rows() for x in range(0, len(row), 3)})

    def save(self, path):
        """Write the picture as PNG."""
        rows = self.rows()

        def block(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(
                ">I", zlib.crc32(kind + data))
        header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header)
                       + block(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows)))
                       + block(b"IEND", b""))

    def close(self):
        self.process.terminate()
        self.process.wait()


class Bus:
    """A session bus of its own."""

    def __init__(self, folder):
        path = os.path.join(folder, "bus")
        self.address = f"unix:path={path}"
        self.process = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={self.address}"],
            stderr=subprocess.DEVNULL)
        self.children = []
        wait(lambda: os.path.exists(path), 10, "session bus")

    def run(self, *command, env=None, **more):
        """Start a program on this bus; it ends with the bus."""
        child = subprocess.Popen(command, env=os.environ | {
            "DBUS_SESSION_BUS_ADDRESS": self.address} | (env or {}), **more)
        self.children.append(child)
        return child

    def has(self, name):
        answer = subprocess.run(
            ["dbus-send", f"--bus={self.address}", "--print-reply", "--dest=org.freedesktop.DBus",
             "/", "org.freedesktop.DBus.NameHasOwner", f"string:{name}"],
            capture_output=True, text=True, check=False)
        return "true" in answer.stdout

    def wait_for(self, name):
        wait(lambda: self.has(name), 10, f"{name} on the bus", step=0.05)

    def record(self, path):
        """Write what is said to the notification service into a file, in words."""
        with open(path, "wb") as file:
            child = self.run("dbus-monitor", "--address", self.address,
                             "interface=org.freedesktop.Notifications", stdout=file)
        wait(lambda: os.path.getsize(path), 10, "dbus-monitor")
        return child

    def close(self):
        for child in [*self.children, self.process]:
            child.kill()
            child.wait()


def notifications(path):
    """The (summary, body) of each Notify call that Bus.record() wrote down to its end."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    out = []
    for call in re.split(r"^(?=method |signal |error )", text, flags=re.M):
        if "member=Notify\n" in call and re.search(r"^   int32 -?\d+\n", call, flags=re.M):
            strings = re.findall(r'^   string "(.*?)"$', call, flags=re.M | re.S)
            out.append((strings[2], strings[3]))
    return out
