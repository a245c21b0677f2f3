"""`/openapi.json` and `/docs`: complete, valid, fast. `test_openapi_holds.py` compares it with the service."""

import re
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import schemathesis
from flask import Flask
from werkzeug.test import Client

from service import errors
from service.contract import LABELS
from service.errors import DigitsError
from service.http import pages
from service.http.headers import OPEN
from service.http.pages import DOCS_FILES
from service.settings import Settings
from tests import door
from tests.service.http.test_pages import Elements

Document = dict[str, Any]

SCHEMES = {"bearer", "header", "password"}
PREDICTING = [
    "/predict",
    "/predict/batch",
    "/predict/number",
    "/v2/models/{name}/infer",
    "/v2/models/{name}/versions/{version}/infer",
]


@pytest.fixture
def document(client: Client) -> Document:
    found: Document = client.get("/openapi.json").get_json()
    return found


def operations(document: Document) -> list[tuple[str, str, Document]]:
    """Return the path, the method and the rest of each operation."""
    return [(path, method, rest) for path, methods in document["paths"].items() for method, rest in methods.items()]


def references(node: Any) -> set[str]:
    if isinstance(node, list):
        return {found for part in node for found in references(part)}
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"]} if "$ref" in node else set()
    return own | {found for part in node.values() for found in references(part)}


def codes(document: Document, response: Document) -> list[str]:
    name = response["$ref"].rpartition("/")[2]
    schema = document["components"]["responses"][name]["content"]["application/json"]["schema"]
    found: list[str] = schema["properties"]["code"]["enum"]
    return found


def test_it_is_valid_openapi_3_1(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_an_invalid_document_would_be_rejected(document: Document) -> None:
    del document["paths"]["/predict"]["post"]["responses"]["200"]["description"]
    with pytest.raises(Exception, match="description"):
        schemathesis.openapi.from_dict(document).validate()


def test_document_lists_exactly_the_routes(app: Flask, document: Document) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert len(routes) > 20
    assert {(path, method) for path, method, _ in operations(document)} == routes


def test_every_code_is_in_it(document: Document) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DigitsError)]
    known = {kind.code for kind in kinds}
    assert set(document["components"]["schemas"]["Error"]["properties"]["code"]["enum"]) == known
    assert {code for code in known if f"`{code}`" not in document["info"]["description"]} == set()


def test_each_code_is_under_its_status(document: Document) -> None:
    statuses = {kind.code: kind.status for kind in [DigitsError, *errors.RequestError.__subclasses__()]}
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if "$ref" in response:
                assert {statuses.get(code, int(status)) for code in codes(document, response)} == {int(status)}


@pytest.mark.parametrize("path", PREDICTING)
def test_prediction_routes_may_answer_too_busy(document: Document, path: str) -> None:
    busy = document["paths"][path]["post"]["responses"]["429"]
    assert codes(document, busy) == ["too_busy"]
    assert "Retry-After" in document["components"]["responses"]["too_busy"]["headers"]


def test_each_operation_has_a_unique_id_and_a_summary(document: Document) -> None:
    found = [operation for _, _, operation in operations(document)]
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert all(re.fullmatch(r"[A-Z].{10,}[^.\s]", operation["summary"]) for operation in found)
    assert document["paths"]["/livez"]["get"]["summary"] == "Answer while the process is alive"


def test_each_answer_names_its_request(document: Document) -> None:
    answers = [answer for _, _, operation in operations(document) for answer in operation["responses"].values()]
    own = [answer for answer in answers if "$ref" not in answer] + [*document["components"]["responses"].values()]
    assert all({"X-Request-ID", "X-Content-Type-Options"} <= answer["headers"].keys() for answer in own)


def test_references_resolve_and_every_component_is_used(document: Document) -> None:
    parts = document["components"]
    there = {f"#/components/{kind}/{name}" for kind, named in parts.items() for name in named}
    assert references(document) == there - {f"#/components/securitySchemes/{name}" for name in SCHEMES}


def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path, model_name="other", max_batch=17, max_upload_bytes=4321, max_pixels=98765)
    made = door.client_for(settings).get("/openapi.json").get_json()
    predict, batch = made["paths"]["/predict"]["post"], made["paths"]["/predict/batch"]["post"]
    assert "4,321 bytes" in predict["description"]
    assert "98,765" in predict["description"]
    for kind, field in (("application/json", "images"), ("multipart/form-data", "image")):
        images = batch["requestBody"]["content"][kind]["schema"]["properties"][field]
        assert (images["minItems"], images["maxItems"]) == (1, 17)
    assert made["components"]["parameters"]["name"]["schema"] == {"enum": ["other"]}
    assert {"$ref": "#/components/parameters/top_k"} in predict["parameters"]
    top_k = made["components"]["parameters"]["top_k"]["schema"]
    top_k = made["components"]["schemas"][top_k["$ref"].rpartition("/")[2]] if "$ref" in top_k else top_k
    assert (top_k["minimum"], top_k["maximum"]) == (1, len(LABELS))


def test_document_says_which_routes_require_a_key(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("0123456789abcdef")
    settings = Settings.from_environ({"DIGITS_MODELS_DIR": str(tmp_path), "DIGITS_API_KEY_FILE": str(keys)})
    client = door.client_for(settings)
    made = client.get("/openapi.json", headers={"X-API-Key": "0123456789abcdef"}).get_json()
    schemathesis.openapi.from_dict(made).validate()
    for path, method, operation in operations(made):
        refused = client.open(path.replace("{name}", "mnist-dmlp"), method=method).status_code == 401
        assert refused == ("401" in operation["responses"]) == ("security" in operation) == (path not in OPEN)
        assert operation.get("security", [{}])[0] == {}, "a service without keys demands none"
    assert "WWW-Authenticate" in made["components"]["responses"]["unauthorized"]["headers"]
    assert made["components"]["securitySchemes"].keys() == SCHEMES


def test_it_is_generated_once_and_has_an_etag(client: Client) -> None:
    first = client.get("/openapi.json")
    before, started = pages.document.cache_info(), process_time()
    again = [client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]}) for _ in range(20)]
    assert (process_time() - started) / 20 < 0.02  # CPU time: the machine may be busy
    after = pages.document.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 20)
    assert {(response.status_code, response.data) for response in again} == {(304, b"")}


def test_docs_page_has_no_inline_code_and_only_local_links(client: Client) -> None:
    page = client.get("/docs", buffered=True)
    assert page.mimetype == "text/html"
    parser = Elements()
    parser.feed(page.text)
    assert parser.inline == []
    assert {name for name in parser.references if name.startswith("docs/")} == {f"docs/{name}" for name in DOCS_FILES}
    assert {client.get(f"/{name}", buffered=True).status_code for name in parser.references if name != "."} == {200}


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", *(f"/docs/{name}" for name in DOCS_FILES)])
def test_docs_page_has_the_content_security_policy(client: Client, path: str) -> None:
    of_the_page = client.get("/", headers={"Accept": "text/html"}, buffered=True).headers["Content-Security-Policy"]
    assert client.get(path, buffered=True).headers["Content-Security-Policy"] == of_the_page
    assert "unsafe" not in of_the_page


@pytest.mark.parametrize("name", ["swagger-ui-standalone-preset.js", "index.html", "..%2fapp.py", "missing.js", ""])
def test_no_other_file_is_served(client: Client, name: str) -> None:
    response = client.get(f"/docs/{name}")
    assert (response.status_code, response.get_json()["code"]) == (404, "not_found")


def test_our_files_name_no_other_host() -> None:
    texts = [(pages._DOCS / name).read_text(encoding="utf-8") for name in ("index.html", "docs.js", "docs.css")]
    assert not any("//" in re.sub(r"^// .*$", "", text, flags=re.MULTILINE) for text in texts)


def test_error_descriptions_match_the_code(document: Document) -> None:
    kinds = {kind.code: kind for kind in errors.kinds()}
    for name, response in document["components"]["responses"].items():
        met = [kinds[code] for code in codes(document, {"$ref": f"/{name}"})]
        assert response["description"] == " ".join(f"`{kind.code}`: {kind.meaning()}" for kind in met)
        assert {header for kind in met for header, _ in kind.headers} <= response["headers"].keys()
