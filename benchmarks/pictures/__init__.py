"""How well the service reads digits as people send them: pictures as files, through decoding, canonical form and model.

python -m benchmarks.pictures --data DIR [--realworld DIR] [--split validation]

This is the yardstick. It knows nothing of how the service reads pictures or of what training does to its digits, and
training never uses it.

    trace, strokes                  a digit as lines and as ink
    scene, paper, light, surroundings, camera, files     the steps from ink to a file; `look` puts them in order
    cells, conditions*              the table of what is rendered, and which of it counts
    letters, doodles, blanks, nondigits, forms           what is not in MNIST
    plan, measure, reader           which pictures, over how many processes, and the service that reads them
    marks, report, sheets                                what came of it
"""
