"""Preprocessing of 2,000 drawn pictures on record: the 28x28 input of the model, or the error code.

    python -m tests.contract.pictures            compare a live server with the golden file, kind by kind
    python -m tests.contract.pictures --record   update the golden file

After a change of preprocessing, record again and say in the commit which kinds changed and why.
"""

import argparse
import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.contract.picture_files import FILES
from tests.contract.picture_scenes import SCENES
from tests.contract.server import Address, servers

GOLDEN = Path(__file__).with_name("pictures.json")
KINDS = {kind.__name__: kind for kind in (*FILES, *SCENES)}
HASH_DIGITS = 16

Answers = dict[str, dict[str, str]]  # by kind, then by picture


def pictures() -> Iterator[tuple[str, str, bytes]]:
    """Yield the kind, the name and the bytes of each picture."""
    for kind, make in KINDS.items():
        for name, content in make():
            yield kind, name, content


def ask(address: Address) -> Answers:
    """Return a live server's answer to each picture: the start of the input's SHA-256, or an error code."""
    found: Answers = {kind: {} for kind in KINDS}
    with closing(http.client.HTTPConnection(*address, timeout=60)) as connection:
        for kind, name, content in pictures():
            assert name not in found[kind], f"two pictures are named {kind}: {name}"
            found[kind][name] = _one(connection, content)
    return found


def _one(connection: http.client.HTTPConnection, content: bytes) -> str:
    connection.request("POST", "/predict?seen=true", content, {"Content-Type": "application/octet-stream"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        return f"{response.status} {answer['code']}"
    seen = Image.open(BytesIO(base64.b64decode(answer["seen"])))
    assert (seen.mode, seen.size) == ("L", (28, 28))
    return sha256(seen.tobytes()).hexdigest()[:HASH_DIGITS]


def golden() -> Answers:
    """Return the recorded answers."""
    answers: Answers = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return answers


def differences(before: Answers, after: Answers) -> Answers:
    """Return the differences as "before -> after", by kind and picture; "-" means missing."""
    found: Answers = {}
    for kind in {**before, **after}:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                found.setdefault(kind, {})[name] = f"{old.get(name, '-')} -> {new.get(name, '-')}"
    return found


def table(before: Answers, after: Answers) -> str:
    """Return a line for each kind: how many are the same, how many have other pixels, which codes changed."""
    lines = [f"{'kind':16} {'same':>5} {'pixels':>6} {'codes':>5}"]
    changed = differences(before, after)
    for kind, answers in after.items():
        moved = changed.get(kind, {})
        codes = {name: change for name, change in moved.items() if " " in change.replace(" -> ", "")}
        same = len(answers.keys() - moved.keys())
        lines.append(f"{kind:16} {same:5} {len(moved) - len(codes):6} {len(codes):5}")
        lines += [f"    {name}: {change}" for name, change in codes.items()]
    lines.append(f"{sum(map(len, after.values()))} pictures, {sum(map(len, changed.values()))} changed")
    return "\n".join(lines)


def main() -> None:
    """Ask a live server, print the table, and with --record write the golden file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write the golden file")
    record = parser.parse_args().record
    with servers() as live:
        after = ask(live.address())
    print(table(golden() if GOLDEN.exists() else {}, after))
    if record:
        GOLDEN.write_text(json.dumps(after, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
