"""The Grafana dashboard and the alert rules match `/metrics`: every metric, every label."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.errors import TooBusy
from service.http.app import open_service
from service.http.front import Front
from service.settings import Settings
from tests import door, drawing, factory

DEPLOY = Path(__file__).parent.parent / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "digits.json").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
TRAINING = yaml.safe_load((DEPLOY / "prometheus" / "training.yml").read_text(encoding="utf-8"))
RECORDED = {rule["record"]: set(rule["labels"]) for group in TRAINING["groups"] for rule in group["rules"]}
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]

_OF_TARGET = {"instance", "job"}  # labels that Prometheus adds
_DURATION = r"\d+(?:ms|[smhdwy])"


def panel_expressions() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


EXPRESSIONS = panel_expressions() + [(rule["alert"], rule["expr"]) for rule in RULES]


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, set[str]]]:
    """The label values of each metric in a scrape after a prediction, a rejection and a defect."""
    models = tmp_path_factory.mktemp("models")
    factory.publish(models)
    here = open_service(Settings(models_dir=models, provider="cpu", corrections_dir=models / "corrections"))
    client = door.client_of(Front(here))
    for content in (drawing.png(3), b"no picture"):
        client.post("/predict", data=content, content_type="image/png")
    client.post("/corrections?digit=8", data=drawing.png(3), content_type="image/png")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(here, "read_next", lambda *_: 1 / 0)
        assert client.post("/predict", data=drawing.png(), content_type="image/png").status_code == 500
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(here, "read_next", _too_busy)
        assert client.post("/predict", data=drawing.png(), content_type="image/png").status_code == 429
    for path in ("/livez", "/readyz", "/metrics"):
        client.get(path)
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").get_data(as_text=True)):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def _too_busy(*_: object) -> None:
    raise TooBusy("Too much is asked at once.")


def selectors(expression: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Yield each metric in a PromQL expression with its matchers: label, operator, value."""
    for name, braces in re.findall(r"(digits_\w+)(?:\{([^}]*)\})?", expression):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', braces)


def grouped(expression: str) -> set[str]:
    """Return the labels by which an expression aggregates."""
    return {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.split(r",\s*", labels)}


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_metric_and_label_exists(title: str, expression: str, series: dict[str, dict[str, set[str]]]) -> None:
    asked, recorded = list(selectors(expression)), set(re.findall(r"digits:\w+", expression))
    assert asked or recorded, f"{title} asks for none of our metrics"
    assert recorded <= RECORDED.keys()
    known: set[str] = set(_OF_TARGET).union(*(RECORDED[name] for name in recorded))
    for name, matchers in asked:
        assert name in series, f"{title}: there is no {name}"
        known |= series[name].keys()
        for label, operator, value in matchers:
            assert label in series[name].keys() | _OF_TARGET, f"{title}: {name} has no label {label}"
            if label not in _OF_TARGET:
                test = re.fullmatch if "~" in operator else str.__eq__
                assert any(bool(test(value, found)) for found in series[name][label]), f"{title}: no {label}={value}"
    assert grouped(expression) <= known, f"{title}: unknown labels in `by`"


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_every_expression_is_whole(title: str, expression: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing), title
    assert expression.count('"') % 2 == 0
    for window in re.findall(r"\[([^]]*)\]", expression):
        assert window == "$__rate_interval" or re.fullmatch(_DURATION, window), window
    for name in re.findall(r"\b(?:rate|increase)\((\w+)", expression):
        assert re.search(r"_(total|bucket|sum|count)$", name), f"{title}: {name} is no counter"
    for argument in re.findall(r"histogram_quantile\([\d.]+, sum by \(([^)]*)\)", expression):
        assert "le" in argument.split(", "), title


def test_every_metric_is_on_the_dashboard(series: dict[str, dict[str, set[str]]]) -> None:
    shown = {name for _, expression in panel_expressions() for name, _ in selectors(expression)}
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in series} == whole


def test_legends_name_labels_that_are_left_after_grouping() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]))
            assert used <= grouped(target["expr"]), panel["title"]


def test_dashboard_can_be_imported() -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    variables: dict[str, Any] = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    squares = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(squares)) == len(squares), "panels overlap"
    assert max(x for x, _ in squares) < 24


def test_alerts_are_complete() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(_DURATION, rule.get("for", "0s"))
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
