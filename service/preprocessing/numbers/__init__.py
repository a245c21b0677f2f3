"""Several digits in one picture: grey levels -> candidates as 28x28 -> the number that the model's answers make likely.

reading     grey levels -> ink, and which strokes are writing
pieces      strokes -> connected pieces, their sizes
lines       pieces -> lines of writing
cuts        pieces of several digits -> parts
candidates  parts -> whatever may be one digit, as 28x28
path        the model's answers for the candidates -> the likeliest number
"""
