"""How well the service reads digits as people send them: pictures as files, through decoding, canonical form and model.

python -m tests.benchmarks.robustness --data DIR [--realworld DIR] [--split validation]

This is the yardstick. It knows nothing of how `service.canonical` works or of what training does to its digits, and
training never uses it. Data flows: `strokes` (a digit as ink) -> `scene` (ink on paper, in light) -> `camera` (the
picture that is taken of it) -> `files` (bytes) -> `reader` (the service) -> `report`, `sheets`. `conditions` is the
table of what is rendered, `nondigits` and `forms` draw what MNIST does not hold.
"""
