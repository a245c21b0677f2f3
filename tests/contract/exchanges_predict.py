"""Requests for `/predict` and `/predict/batch`: every form, every option, every error."""

from collections.abc import Iterator

from tests.contract.digits import encode, ink, on_paper
from tests.contract.exchanges import (
    PNG,
    Exchange,
    blank,
    chunked,
    error,
    form,
    large,
    post,
    post_form,
    post_json,
    seven,
    several,
    star,
    text_of,
    two,
)

OPTIONS = ("", "?top_k=3", "?seen=true", "?top_k=10&seen=1", "?seen=false", "?seen=0&top_k=1", "?seen=True")
WRONG_OPTIONS = ("top_k=0", "top_k=11", "top_k=x", "top_k=", "top_k=3.0", "seen=yes", "seen=")
MISSPELT = ("topk=3", "Top_k=3", "seen=true&verbose=1", "see=true")
FORM_LIMIT = "a form is read up to the limit of a request, whatever its size"
ONE_NAME = "the field is named `image`, by every way that a request takes"


def pictures() -> Iterator[Exchange]:
    """One picture in its three forms, with every option."""
    for query in OPTIONS:
        yield Exchange(f"predict: raw{query}", post(f"/predict{query}", two(), *PNG))
    for query in OPTIONS[:2]:
        yield Exchange(f"predict: form{query}", post_form(f"/predict{query}", ("image", seven(), "a.png")))
        yield Exchange(f"predict: JSON{query}", post_json(f"/predict{query}", {"image": text_of(seven())}))
    octets = "Content-Type: application/octet-stream"
    yield Exchange("predict: octets", post("/predict", seven(), octets))
    yield Exchange("predict: another type than it is", post("/predict", two(), "Content-Type: image/jpeg"))
    yield Exchange("predict: data URL", post_json("/predict", {"image": "data:image/png;base64," + text_of(two())}))
    lines = "\n".join(text_of(two())[start : start + 76] for start in range(0, len(text_of(two())), 76))
    yield Exchange("predict: base64 in lines", post_json("/predict", {"image": lines}))
    beside = [("comment", b"mine", None), ("image", seven(), "a.png"), ("other", b"x", "b.txt")]
    yield Exchange("predict: form with other fields", post_form("/predict", *beside))
    yield Exchange("predict: file without a name", post_form("/predict", ("image", seven(), "")))
    yield Exchange("predict: in chunks", chunked("/predict", two(), 100, *PNG))
    body, kind = form(("image", two(), "a.png"))
    yield Exchange("predict: form in chunks", chunked("/predict", body, 333, kind))
    yield Exchange("predict: form after a preamble", post("/predict", b"preamble\r\n" + body, kind))
    quoted = form(("image", two(), "a"), boundary="a b")[0]
    kind = 'Content-Type: multipart/form-data; boundary="a b"'
    yield Exchange("predict: quoted boundary", post("/predict", quoted, kind))


def large_forms() -> Iterator[Exchange]:
    """Forms of sizes around the parser's buffer sizes."""
    for size in (65_400, 65_536, 200_000, 1_000_000):
        for path in ("/predict", "/predict?seen=true", "/predict/batch"):
            sent = post_form(path, ("image", large(size), "a.png"))
            yield Exchange(f"large form: {path}, {size}", sent, changed=FORM_LIMIT, right={"status": 200})
    yield Exchange("large form: raw", post("/predict", large(200_000), *PNG))
    yield Exchange("large form: JSON", post_json("/predict", {"image": text_of(seven() + bytes(100_000))}))


def wrong_queries() -> Iterator[Exchange]:
    """Forbidden or unknown parameters."""
    for query in WRONG_OPTIONS:
        yield Exchange(f"query: predict?{query}", post(f"/predict?{query}", seven(), *PNG))
        yield Exchange(f"query: batch?{query}", post_form(f"/predict/batch?{query}", ("image", seven(), "a")))
    for query in MISSPELT:
        right = error(400, "malformed_request") | {"names": query.rpartition("&")[2].partition("=")[0]}
        for path, sent in (
            ("predict", post(f"/predict?{query}", seven(), *PNG)),
            ("batch", post_form(f"/predict/batch?{query}", ("image", seven(), "a"))),
        ):
            changed = "a parameter that is misspelt is named"
            yield Exchange(f"query: {path}?{query}", sent, changed=changed, right=right)


def wrong_uploads() -> Iterator[Exchange]:
    """Uploads that are not a picture of one digit."""
    yield Exchange("upload: no file", post_form("/predict", ("picture", seven(), "a.png")))
    yield Exchange("upload: empty file", post_form("/predict", ("image", b"", "a.png")))
    yield Exchange("upload: a text", post_form("/predict", ("image", b"seven", None)))
    two_files = [("image", seven(), "a"), ("image", two(), "b")]
    yield Exchange("upload: two files", post_form("/predict", *two_files))
    yield Exchange("upload: empty body", post("/predict", b"", *PNG))
    yield Exchange("upload: no type", post("/predict", seven()))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=a"):
        yield Exchange(f"upload: {kind}", post("/predict", seven(), f"Content-Type: {kind}"))
    yield Exchange("upload: packed by br", post("/predict", b"abc", *PNG, "Content-Encoding: br"))
    for name, body in (("{", b"{"), ("[]", b"[]"), ("null", b"null"), ("nested", b"[" * 100_000), ("\\xff", b'"\xff"')):
        yield Exchange(f"upload: JSON {name}", post("/predict", body, "Content-Type: application/json"))
    for value in (None, 7, "", "@@@@", [text_of(seven())], "data:image/png"):
        yield Exchange(f"upload: JSON image {str(value)[:20]}", post_json("/predict", {"image": value}))
    yield Exchange("upload: JSON without image", post_json("/predict", {"picture": text_of(seven())}))
    for name, content in (
        ("text", b"hello"),
        ("cut off", two()[:200]),
        ("blank", blank()),
        ("two digits", several()),
        ("a star", star()),
        ("a line of pixels", encode(on_paper(ink("1", 300, 2)))),
        ("nothing but a signature", seven()[:8]),
    ):
        yield Exchange(f"upload: {name}", post("/predict", content, *PNG))
        yield Exchange(f"upload: {name}, in a form", post_form("/predict", ("image", content, "a.png")))
        yield Exchange(f"upload: {name}, JSON with seen", post_json("/predict?seen=true", {"image": text_of(content)}))


def wrong_forms() -> Iterator[Exchange]:
    """Forms that are malformed, or whose field has another name."""
    body, kind = form(("image", seven(), "a.png"))
    for name, content, header in (
        ("without boundary", body, "Content-Type: multipart/form-data"),
        ("with another boundary", body, "Content-Type: multipart/form-data; boundary=other"),
        ("cut off", body[:-40], kind),
        ("no parts", b"no parts", kind),
        ("nothing", b"", kind),
        ("a head without an end", body[:60], kind),
    ):
        yield Exchange(f"form: {name}", post("/predict", content, header))
        yield Exchange(f"form: {name}, batch", post("/predict/batch", content, header))
    right = error(400, "malformed_request")
    body, kind = form(("Image", seven(), "a.png"))
    beside = form(("Image", seven(), "a.png"), ("a", b"b", None))
    for name, sent in (
        ("predict", post("/predict", body, kind)),
        ("predict?top_k=3", post("/predict?top_k=3", body, kind)),
        ("predict, another beside", post("/predict", *beside)),
        ("predict, in chunks", chunked("/predict", body, 500, kind)),
        ("batch", post("/predict/batch", body, kind)),
        ("JSON", post_json("/predict", {"Image": text_of(seven())})),
        ("batch, JSON", post_json("/predict/batch", {"Images": [text_of(seven())]})),
    ):
        yield Exchange(f"form: a field Image, {name}", sent, changed=ONE_NAME, right=right)


def batches() -> Iterator[Exchange]:
    """Many pictures, in both forms."""
    mixed = [seven(), b"", b"hello", blank(), several(), star(), two()]
    for query in OPTIONS[:4]:
        files = [("image", content, "a.png") for content in mixed]
        yield Exchange(f"batch: form{query}", post_form(f"/predict/batch{query}", *files))
        texts = [text_of(content) for content in mixed]
        yield Exchange(f"batch: JSON{query}", post_json(f"/predict/batch{query}", {"images": [*texts, None, 7, "@"]}))
    yield Exchange("batch: one", post_json("/predict/batch", {"images": [text_of(two())]}))
    yield Exchange("batch: nothing but errors", post_json("/predict/batch", {"images": [None]}))
    for name, fields in (("no images", {}), ("empty", {"images": []}), ("a text", {"images": "x"}), ("a list", [])):
        yield Exchange(f"batch: {name}", post_json("/predict/batch", fields))
    yield Exchange("batch: no file", post_form("/predict/batch", ("picture", seven(), "a.png")))
    yield Exchange("batch: raw", post("/predict/batch", seven(), *PNG))
    yield Exchange("batch: no JSON", post("/predict/batch", b"{", "Content-Type: application/json"))
    yield Exchange("batch: 257", post_json("/predict/batch", {"images": [""] * 257}))
    yield Exchange("batch: forty", post_form("/predict/batch", *[("image", seven(), "a")] * 40))


def limits() -> Iterator[Exchange]:
    """Small limits: 4,096 bytes, 10,000 pixels, two pictures."""
    wide = encode(on_paper(ink("7", 210)))
    coloured = encode(on_paper(ink("7", 101))[..., None].repeat(3, 2))
    cases = {
        "the largest body": post("/predict", large(4096), *PNG),
        "one byte more": post("/predict", large(4097), *PNG),
        "one byte more, seen": post("/predict?seen=true", large(4097), *PNG),
        "a form": post_form("/predict", ("image", large(4096), "a.png")),
        "a form with seen": post_form("/predict?seen=true", ("image", large(4096), "a.png")),
        "the largest in chunks": chunked("/predict", large(4096), 1000, *PNG),
        "one byte more in chunks": chunked("/predict", large(4097), 1000, *PNG),
        "a large one in chunks": chunked("/predict", seven() + bytes(60_000), 5000, *PNG),
        "too many grey pixels": post("/predict", wide, *PNG),
        "too many pixels in colour": post("/predict", coloured, *PNG),
        "too many pixels in one of a batch": post_form(
            "/predict/batch", ("image", coloured, "a"), ("image", two(), "b")
        ),
        "three in a batch": post_form("/predict/batch", *[("image", seven(), "a")] * 3),
        "three in a batch of JSON": post_json("/predict/batch", {"images": ["x"] * 3}),
        "many fields": post_form("/predict", *[(f"f{n}", b"x", None) for n in range(20)], ("image", seven(), "a")),
    }
    for name, sent in cases.items():
        yield Exchange(f"limits: {name}", sent, "small")


GROUPS = (pictures, large_forms, wrong_queries, wrong_uploads, wrong_forms, batches, limits)
