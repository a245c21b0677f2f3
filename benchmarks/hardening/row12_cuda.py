"""CUDA is demanded where there is none."""

from benchmarks.hardening.score import Plan, Score
from tests import drawing
from tests.server import ROOT, running

TITLE = "CUDA demanded where there is none"
HOLDS = "not ready, with the reason; never silently on the CPU"


def run(plan: Plan) -> Score:  # noqa: ARG001
    """Start the service so, and ask it."""
    score = Score()
    with running(MODELS_DIR=ROOT / "models", PROVIDER="cuda", WORKERS=2) as server:
        server.wait_for("/livez", seconds=60)
        status, answer = server.request("GET", "/readyz")
        if status == 200:
            score.unable = f"there is CUDA here: /readyz says {answer}"
            return score
        for path, body in (("/readyz", None), ("/v2/health/ready", None), ("/predict", drawing.png(7))):
            status, answer = server.request("POST" if body else "GET", path, body, content_type="image/png")
            score.hold(status == 503, f"{path}: status {status}, {answer}")
            if path == "/readyz":
                score.hold("cuda" in answer["error"].lower(), f"/readyz does not say why: {answer}")
                score.note(answer["error"])
        score.hold(server.request("GET", "/livez")[0] == 200, "/livez does not answer")
        score.hold("on cpu" not in server.read_log().lower(), "a worker serves on the CPU")
    return score
