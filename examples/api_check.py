"""Calls splitsync's HTTP API and compares the answers with what is wanted. For test_split_sync.py."""

import json
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode

WAIT = 30.0  # seconds for what has to come


class Check:
    """Counts, and tells what is wrong."""

    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key
        self.passed = self.failed = 0

    def true(self, name, ok, about=""):
        self.passed, self.failed = self.passed + bool(ok), self.failed + (not ok)
        if not ok:
            print(f"FAIL {name} {about}")
        return ok

    def equal(self, name, got, want):
        return self.true(name, got == want, f"got {got!r:.600}, want {want!r:.600}")

    def has(self, name, value, **fields):
        """Checks that value is an object with these fields; a type or a tuple of types stands for any value of it."""
        if not self.true(name, isinstance(value, dict), f"is no object: {value!r:.300}"):
            return
        for field, want in fields.items():
            got = value.get(field, "missing")
            if isinstance(want, (type, tuple)):
                self.true(f"{name}: {field}", isinstance(got, want) and got != "missing", f"is {got!r:.300}")
            else:
                self.equal(f"{name}: {field}", got, want)

    def call(self, method, path, body=None, key=None, **query):
        """Returns (status, parsed JSON, else text)."""
        query = {k.rstrip("_"): v for k, v in query.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path + ("?" + urlencode(query) if query else ""), data, method=method)
        request.add_header("X-Api-Key", self.key if key is None else key)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=WAIT) as answer:
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as err:
            with err:
                status, raw = err.code, err.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode("utf-8", "replace")

    def problem(self, name, want, answer):
        """An error of the API: its status, problem+json, and the string for old clients."""
        status, body = answer
        self.equal(name + ": status", status, want)
        self.has(name, body, status=want, title=str, error=str)

    def eventually(self, name, ask, good):
        """Asks until good(answer) holds; returns the last answer."""
        deadline = time.monotonic() + WAIT
        while True:
            answer = ask()
            if good(answer):
                self.passed += 1
                return answer
            if time.monotonic() > deadline:
                self.true(name, False, f"did not come within {WAIT:.0f} s, last {answer!r:.600}")
                return answer
            time.sleep(0.1)
