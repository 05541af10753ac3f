#!/usr/bin/env python3
"""Pages a room through splitsync's sync API and checks what comes. Standard library only.

    python3 sync_client.py --url http://127.0.0.1:3000 --api-key KEY --room ROOM [--limit 1000] [--from 1700000000] [--to 1700003600] [--out room.jsonl]

Checked: the counts of every page, newest first over all pages, each message_id and seq once, all within from and to, and as many records as
total_records says. Without --to it reads up to the last whole second, so that new messages do not shift the pages; when the count grows all the same
(history is up to a second behind the log), it starts again, at most 5 times. Prints a line of JSON; the exit code is 1 if a check fails.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlencode

TRIES = 5


class Wrong(Exception):
    """An answer is not as the contract says."""


class Moved(Exception):
    """The count has changed between two pages."""


class SyncClient:
    """The sync API of one splitsync."""

    def __init__(self, url, api_key, timeout=60):
        self.url, self.api_key, self.timeout = url.rstrip("/"), api_key, timeout

    def get(self, path, **query):
        """Returns the parsed answer; Wrong with status and problem otherwise."""
        query = {k: v for k, v in query.items() if v is not None}
        request = urllib.request.Request(self.url + path + ("?" + urlencode(query) if query else ""), headers={"X-Api-Key": self.api_key})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as err:
            raise Wrong(f"GET {path}: {err.code} {err.read(1000).decode('utf-8', 'replace')}") from err

    def pages(self, room, limit, start=None, end=None):
        """Yields (records, pagination) of chat-history, page after page."""
        path, page = "/management/sync/chat-history/" + quote(room, safe=""), 1
        while True:
            answer = self.get(path, page=page, limit=limit, to=end, **{"from": start})
            if answer["room_id"] != room:
                raise Wrong(f"page {page}: room_id is {answer['room_id']!r}")
            yield answer["records"], answer["pagination"]
            if not answer["pagination"]["has_next"]:
                return
            page += 1


def expect(name, got, want):
    if got != want:
        raise Wrong(f"{name} is {got!r}, want {want!r}")


def walk(client, room, limit, start, end, take):
    """Reads every page, checks it, gives each record to take; returns the summary."""
    ids, seqs, last, total, pages = set(), set(), None, None, 0
    for records, p in client.pages(room, limit, start, end):
        pages += 1
        total = p["total_records"] if total is None else total
        if p["total_records"] != total:
            raise Moved(f"page {pages}: total_records was {total}, is {p['total_records']}")
        count = -(-total // limit)
        expect(f"page {pages}: current_page", p["current_page"], pages)
        expect(f"page {pages}: page_size", p["page_size"], limit)
        expect(f"page {pages}: total_pages", p["total_pages"], count)
        expect(f"page {pages}: has_next", p["has_next"], pages < count)
        expect(f"page {pages}: has_prev", p["has_prev"], pages > 1)
        expect(f"page {pages}: records", len(records), max(0, min(limit, total - (pages - 1) * limit)))
        for r in records:
            place = (r["created_at"], r["seq"])
            if last is not None and place >= last:
                raise Wrong(f"page {pages}: {place} comes after {last}, not newest first")
            if r["message_id"] in ids or r["seq"] in seqs:
                raise Wrong(f"page {pages}: message_id {r['message_id']} or its seq comes twice")
            if (start is not None and r["created_at"] < start) or (end is not None and r["created_at"] > end):
                raise Wrong(f"page {pages}: created_at {r['created_at']} is outside from and to")
            last = place
            ids.add(r["message_id"])
            seqs.add(r["seq"])
            take(r)
    expect("number of records", len(ids), total)
    return {"room_id": room, "records": total, "pages": pages, "first_seq": min(seqs, default=None), "last_seq": max(seqs, default=None)}


def main():
    p = argparse.ArgumentParser(description="Pages a room through the sync API and checks it.")
    p.add_argument("--url", default="http://127.0.0.1:3000")
    p.add_argument("--api-key", required=True)
    p.add_argument("--room", required=True)
    p.add_argument("--limit", type=int, default=1000, help="records a page, 1 to 10000")
    p.add_argument("--from", dest="start", type=int, help="Unix seconds, inclusive")
    p.add_argument("--to", dest="end", type=int, help="Unix seconds, inclusive; default: the last whole second")
    p.add_argument("--out", help="file for the records, a line each")
    args = p.parse_args()
    client = SyncClient(args.url, args.api_key)
    end = int(time.time()) - 1 if args.end is None else args.end
    for left in reversed(range(TRIES)):
        records = []
        try:
            summary = walk(client, args.room, args.limit, args.start, end, records.append if args.out else lambda r: None)
            break
        except Moved as err:
            if not left:
                sys.exit(f"{err}, after {TRIES} tries")
            time.sleep(1)
        except (Wrong, KeyError, TypeError, OSError, ValueError) as err:
            sys.exit(f"{type(err).__name__}: {err}")
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
