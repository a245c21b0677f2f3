"""CUDA is required but absent."""

from benchmarks.hardening.score import Score
from tests import drawing
from tests.server import ROOT, running

TITLE = "CUDA required but absent"
EXPECTED = "not ready, with the reason; never silently on the CPU"


def run(score: Score) -> None:
    """Start the service with provider cuda, and send requests."""
    with running(MODELS_DIR=ROOT / "models", PROVIDER="cuda", WORKERS=2) as server:
        server.wait_for("/livez", seconds=60)
        status, answer = server.request("GET", "/readyz")
        if status == 200:
            score.not_run = f"CUDA is present here: /readyz says {answer}"
            return
        for path, body in (("/readyz", None), ("/v2/health/ready", None), ("/predict", drawing.png(7))):
            status, answer = server.request("POST" if body else "GET", path, body, content_type="image/png")
            score.check(status == 503, f"{path}: status {status}, {answer}")
            if path == "/readyz":
                score.check("cuda" in answer["error"].lower(), f"/readyz does not say why: {answer}")
                score.note(answer["error"])
        score.check(server.request("GET", "/livez")[0] == 200, "/livez does not answer")
        score.check("on cpu" not in server.read_log().lower(), "a worker serves on the CPU")
