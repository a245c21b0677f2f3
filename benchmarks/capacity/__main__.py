"""The figures of deploy/CAPACITY.md.

python -m benchmarks.capacity cost [--rounds N]      CPU, bytes and memory of a request
python -m benchmarks.capacity point [--rounds N]     simulation against the real service, one worker
python -m benchmarks.capacity simulate               p99 against load and number of servers
python -m benchmarks.capacity plan                   machines and money
"""

import argparse

import numpy as np

from benchmarks.capacity import cost, plan, point, queueing
from benchmarks.capacity.requests import kinds
from service.settings import Settings

SPREAD = 0.25  # coefficient of variation of the service time within one kind of request


def main() -> None:
    """Run the chosen command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=("cost", "point", "simulate", "plan"))
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--kind", default="512x512 PNG", help="kind of request for point; default: %(default)s")
    parser.add_argument("--load", type=float, default=0.6, help="utilisation for point; default: %(default)s")
    parser.add_argument("--threads", type=int, default=Settings.threads, help="of a worker; default: %(default)s")
    given = parser.parse_args()
    if given.command == "cost":
        cost.main(given.rounds)
    elif given.command == "point":
        [kind] = [kind for kind in kinds() if kind.name == given.kind]
        point.main(kind, given.load, given.rounds, given.threads)
    elif given.command == "plan":
        print(*plan.rows(plan.Assumptions()), sep="\n")
    else:
        noise = np.random.default_rng(1).gamma(SPREAD**-2, SPREAD**2, 10_000)
        means = [one.cpu_seconds for one in plan.COSTS if one.images == 1][1:]
        print("Requests of one kind, small pictures:")
        queueing.main(means[0] * noise, given.threads)
        print("Small pictures, large ones and photographs, a third each:")
        queueing.main(np.concatenate([mean * noise for mean in means]), given.threads)


if __name__ == "__main__":
    main()
