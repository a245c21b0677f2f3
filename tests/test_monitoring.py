"""The real monitoring profile: Prometheus discovers and scrapes the replicas and runs the dashboard queries."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

import pytest

from tests import drawing
from tests.deployment import Deployment, Published, deployed, get_image, image, missing, until
from tests.test_dashboards import DASHBOARD, RULES

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

# A series that has just appeared has no rate yet.
COUNTED = (
    "count(sum by (digit) (rate(digits_predictions_total[1m])) > 0) > 5",
    "sum(rate(digits_requests_total[1m])) > 0",
    "sum(rate(digits_refusals_total[1m])) > 0",
    "count(digits:training_share) == 10",
)
ONE_SCREEN = 18  # rows of Grafana's grid on a screen of 1080 lines


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    if why := missing():
        pytest.skip(why)
    if not get_image("prometheus"):
        pytest.skip(f"{image('prometheus')} is not here, and neither a registry nor Debian gives it")
    with deployed(show_log=True) as started:
        started.compose("--profile", "monitoring", "up", "--detach", "prometheus")
        yield started


@pytest.fixture(scope="module")
def prometheus(deployment: Deployment) -> Published:
    """Prometheus, after enough scrapes of both replicas for a rate."""
    server = Published(deployment.prometheus_port)
    until(lambda: is_ready(server), 60, "Prometheus is ready")
    until(lambda: values(server, 'sum(up{job="digits"})') == [2.0], 60, "both replicas are scraped")

    def asked() -> Any:
        for label in range(10):
            deployment.predict(drawing.png(label))
        deployment.send("POST", "/predict", b"no picture")
        return values(server, " and ".join(COUNTED))

    until(asked, 120, "the predictions are counted")
    return server


def is_ready(server: Published) -> bool:
    with suppress(OSError, HTTPException):
        return bool(server.send("GET", "/-/ready")[0] == 200)
    return False


def values(server: Published, expression: str) -> list[float]:
    """Return the current values of a PromQL expression."""
    status, answer = server.ask(f"/api/v1/query?query={quote(expression)}")
    assert status == 200, f"{expression}: {answer}"
    return [float(row["value"][1]) for row in answer["data"]["result"]]


def in_prometheus(expression: str) -> str:
    """Return a dashboard expression as Grafana would send it."""
    return expression.replace("$__rate_interval", "1m").replace("$instance", ".*")


def test_every_query_of_the_first_screen_has_data(prometheus: Published) -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["gridPos"]["y"] < ONE_SCREEN]
    assert all(panel["gridPos"]["y"] + panel["gridPos"]["h"] <= ONE_SCREEN for panel in panels)
    for panel in panels:
        for target in panel["targets"]:
            assert values(prometheus, in_prometheus(target["expr"])), panel["title"]


def test_other_requests_are_accepted(prometheus: Published) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            values(prometheus, in_prometheus(target["expr"]))


def test_predictions_are_compared_with_training(prometheus: Published) -> None:
    titles = {panel["title"]: panel["targets"] for panel in DASHBOARD["panels"]}
    predicted, trained = titles["Predictions of the last hour by digit, against training"]
    shares = values(prometheus, in_prometheus(predicted["expr"]))
    assert (len(shares), sum(shares)) == (10, pytest.approx(1))
    assert sum(values(prometheus, in_prometheus(trained["expr"]))) == pytest.approx(1)
    [distance] = values(prometheus, in_prometheus(titles["Distance from the digits of training"][0]["expr"]))
    assert 0 < distance < 1


def test_every_rule_is_evaluated(prometheus: Published) -> None:
    def evaluated() -> Any:
        groups = prometheus.ask("/api/v1/rules")[1]["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = until(evaluated, 90, "all rules are evaluated")
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in RULES} | {"digits:training_share"}


def test_a_new_replica_is_scraped(deployment: Deployment, prometheus: Published) -> None:
    deployment.compose("up", "--detach", "--no-recreate", "--scale", "service=3", "service")
    until(lambda: values(prometheus, 'sum(up{job="digits"})') == [3.0], 90, "three replicas are scraped")


def test_grafana_loads_the_provisioned_dashboard(deployment: Deployment) -> None:
    services = json.loads(deployment.compose("--profile", "monitoring", "config", "--format", "json"))["services"]
    [mounted] = [volume for volume in services["grafana"]["volumes"] if volume["type"] == "bind"]
    assert mounted["target"] == "/etc/grafana/provisioning"
    assert mounted["source"].endswith("/deploy/grafana")
