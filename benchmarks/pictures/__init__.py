"""How well the service reads digits as people send them: pictures as files, through decoding, canonical form and model.

python -m benchmarks.pictures --data DIR [--realworld DIR] [--split validation]

It is independent of the service's preprocessing and of the training's augmentation; training never uses it.

    trace, strokes                  a digit as lines and as ink
    scene, paper, light, surroundings, camera, files     the steps from ink to a file; `look` puts them in order
    cells, conditions*              the table of conditions, and which of them count
    letters, doodles, blanks, nondigits, forms           what is not in MNIST
    plan, measure, reader           the pictures, the processes, and the service that reads them
    marks, report, sheets                                the results
"""
