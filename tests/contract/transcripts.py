"""Answers of a live server to each exchange, recorded in transcripts.json with the digest of the request.

    python -m tests.contract.transcripts            list differences of a live server
    python -m tests.contract.transcripts --record   update the file

Left out is what varies between runs: identifiers, the served version, the wording of messages.
"""

import argparse
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.contract.exchanges import VERSION, Exchange, exchanges
from tests.contract.normal import normal
from tests.contract.server import Address, Servers, servers
from tests.contract.wire import Received, Stream, connect

GOLDEN = Path(__file__).with_name("transcripts.json")
_AFTERWARDS = b"GET /livez HTTP/1.1\r\nHost: digits.test\r\nConnection: close\r\n\r\n"

# These lists may contain more than is recorded.
MAY_GROW = ("Access-Control-Allow-Headers", "Access-Control-Expose-Headers")

Entry = dict[str, Any]


def send(address: Address, sent: bytes, methods: tuple[str, ...]) -> tuple[list[Received], bool]:
    """Send bytes; return one answer per method, fewer if the connection ends, and whether it was kept open."""
    with connect(address, sent) as connection:
        stream = Stream(connection)
        answers = [answer for method in methods if (answer := stream.answer(method))]
        try:
            connection.sendall(_AFTERWARDS)
            kept = stream.readline().startswith(b"HTTP/1.1 200")
        except OSError:
            kept = False
        return answers, kept


def answered(live: Servers, exchange: Exchange) -> Entry:
    """Return a live server's answer in recorded form."""
    sent = exchange.sent.replace(VERSION.encode(), live.version.encode())
    methods = exchange.methods or (sent.split(b" ", 1)[0].decode(),)
    answers, kept = send(live.address(exchange.settings), sent, methods)
    entry: Entry = {"answers": [normal(answer, sent, live.version) for answer in answers]}
    if all(answer.status < 400 for answer in answers) or exchange.name.startswith("malformed"):
        entry["kept"] = kept
    return entry


def mismatches(entry: Entry, found: Entry) -> list[str]:
    """Return the differences between an answer and its entry; of a `changed` entry only the given parts count."""
    expected = entry["answers"]
    if len(expected) != len(found["answers"]):
        return [f"{len(found['answers'])} answers, not {len(expected)}: {found}"]
    differing = []
    for right, answer in zip(expected, found["answers"], strict=True):
        differing += _differing(right, answer, exact="changed" not in entry)
    if "kept" in entry and found.get("kept", entry["kept"]) != entry["kept"]:
        differing.append(f"the connection is {'closed' if entry['kept'] else 'kept'}")
    return differing


def _differing(right: Entry, answer: Entry, *, exact: bool) -> list[str]:
    differing = []
    for part in ("status", "body"):
        if part in right and answer[part] != right[part]:
            differing.append(f"{part} {answer[part]}, not {right[part]}")
    headers = right.get("headers", {})
    for name in {**headers, **(answer["headers"] if exact else {})}:
        wanted, given = headers.get(name), answer["headers"].get(name)
        enough = name in MAY_GROW and set(wanted or ()) <= set(given or ())
        if wanted != given and not enough:
            differing.append(f"{name}: {given}, not {wanted}")
    if right.get("names", "") not in answer.get("said", ""):
        differing.append(f"the sentence does not name {right['names']}: {answer.get('said')}")
    return differing


def entry_of(exchange: Exchange, found: Entry) -> Entry:
    """Return the entry of an answer, or of the right answer if they differ."""
    entry: Entry = {"settings": exchange.settings, "sent": digest(exchange.sent)}
    answers = [{part: value for part, value in answer.items() if part != "said"} for answer in found["answers"]]
    entry |= {**found, "answers": answers}
    if not exchange.changed:
        return entry
    right = {"changed": exchange.changed, "answers": [exchange.right]}
    if mismatches(right, found):
        entry.pop("kept", None)
        return entry | right
    names = {"names": exchange.right["names"]} if "names" in exchange.right else {}
    return entry | {"changed": exchange.changed, "answers": [answers[0] | names]}


def digest(sent: bytes) -> str:
    """Return the start of the SHA-256 of a request."""
    return sha256(sent).hexdigest()[:16]


def golden() -> dict[str, Entry]:
    """Return the recorded entries by name."""
    entries: dict[str, Entry] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return entries


def written(entries: dict[str, Entry]) -> str:
    """Return the content of the file: each answer on its own line."""
    texts = []
    for name, entry in entries.items():
        parts = [f"  {json.dumps(key)}: {_value(value)}" for key, value in entry.items()]
        texts.append(f"{json.dumps(name)}: {{\n" + ",\n".join(parts) + "\n}")
    return "{\n" + ",\n".join(texts) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
    return json.dumps(value)


def main() -> None:
    """Ask a live server; list the differences, or write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the file")
    record = parser.parse_args().record
    entries, before = dict[str, Entry](), {} if record else golden()
    with servers() as live:
        for exchange in exchanges():
            assert exchange.name not in entries, f"two exchanges are named {exchange.name}"
            found = answered(live, exchange)
            entries[exchange.name] = entry_of(exchange, found)
            if entry := before.get(exchange.name):
                for line in mismatches(entry, found):
                    print(f"{exchange.name}{' (changed)' if 'changed' in entry else ''}: {line}")
    if record:
        GOLDEN.write_text(written(entries), encoding="utf-8")
    print(f"{len(entries)} exchanges, {sum('changed' in entry for entry in entries.values())} of them changed")


if __name__ == "__main__":
    main()
