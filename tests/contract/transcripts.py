"""Recorded requests and answers of a live server, in transcripts.json.

    python -m tests.contract.transcripts            list differences of a live server
    python -m tests.contract.transcripts --record   update the file

Left out is what varies between runs: identifiers, the served version, the wording of messages.
"""

import argparse
import base64
import json
import re
from pathlib import Path
from typing import Any

from tests.contract.exchanges import NOISE, VERSION, Exchange, exchanges
from tests.contract.normal import normal
from tests.contract.server import Address, Servers, servers
from tests.contract.wire import Received, Stream, connect

GOLDEN = Path(__file__).with_name("transcripts.json")
_AFTERWARDS = b"GET /livez HTTP/1.1\r\nHost: digits.test\r\nConnection: close\r\n\r\n"
_RUN = re.compile(rb"(.)\1{299,}", re.DOTALL)

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
    entry: Entry = {"settings": exchange.settings, "sent": pieces(exchange.sent)}
    if exchange.methods:
        entry["methods"] = list(exchange.methods)
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


def pieces(sent: bytes) -> list[Entry]:
    """Return a request in pieces: text, base64, repeated bytes, and the start of `NOISE`."""
    found: list[Entry] = []
    place = sent.find(NOISE[:64])
    if place >= 0:
        rest = sent[place:]
        length = next((at for at, (a, b) in enumerate(zip(rest, NOISE, strict=False)) if a != b), len(rest))
        return [*pieces(sent[:place]), {"noise": length}, *pieces(rest[length:])]
    place = 0
    for run in _RUN.finditer(sent):
        found += _pieces(sent[place : run.start()])
        found.append({"repeat": run[1].decode("latin-1"), "times": len(run[0])})
        place = run.end()
    return found + _pieces(sent[place:])


def _pieces(content: bytes) -> list[Entry]:
    """Return the pieces between repeated bytes: the lines of text, and the rest as base64."""
    text = re.match(rb"([ -~\t]*\r\n)*", content)
    lines = text[0] if text else b""
    rest = content[len(lines) :]
    if re.fullmatch(rb"[ -~\r\n\t]*", content):
        lines, rest = content, b""
    found = [{"text": lines.decode()}, {"base64": base64.b64encode(rest).decode()}]
    return [piece for piece in found if any(piece.values())]


def bytes_of(sent: list[Entry]) -> bytes:
    """Return the request made of these pieces."""
    return b"".join(map(_bytes_of, sent))


def _bytes_of(piece: Entry) -> bytes:
    if "repeat" in piece:
        return bytes(piece["repeat"].encode("latin-1") * piece["times"])
    if "noise" in piece:
        return NOISE[: piece["noise"]]
    return bytes(piece["text"].encode("ascii") if "text" in piece else base64.b64decode(piece["base64"]))


def golden() -> dict[str, Entry]:
    """Return the recorded entries by name."""
    entries: dict[str, Entry] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return entries


def exchange_of(name: str, entry: Entry) -> Exchange:
    """Return the exchange of an entry."""
    return Exchange(name, bytes_of(entry["sent"]), entry["settings"], tuple(entry.get("methods", ())))


def written(entries: dict[str, Entry]) -> str:
    """Return the content of the file: each request and each answer on its own line."""
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
    entries: dict[str, Entry] = {}
    with servers() as live:
        if not record:
            for name, entry in golden().items():
                for line in mismatches(entry, answered(live, exchange_of(name, entry))):
                    print(f"{name}{' (changed)' if 'changed' in entry else ''}: {line}")
            return
        for exchange in exchanges():
            assert exchange.name not in entries, f"two exchanges are named {exchange.name}"
            entries[exchange.name] = entry_of(exchange, answered(live, exchange))
    GOLDEN.write_text(written(entries), encoding="utf-8")
    print(f"{len(entries)} exchanges, {sum('changed' in entry for entry in entries.values())} of them changed")


if __name__ == "__main__":
    main()
