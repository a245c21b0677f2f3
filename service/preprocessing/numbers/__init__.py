"""Several digits in one picture: grey levels -> candidates as 28x28 -> the most likely number.

reading     grey levels -> ink, and which strokes are writing
marks       strokes -> strokes without boxes, lines and rings
pieces      strokes -> connected pieces, their sizes
lines       pieces -> lines of writing
sequence    pieces of several digits -> which digits, column by column
cuts        the same pieces -> parts
candidates  parts -> possible digits, as 28x28
path        probabilities of the candidates -> the most likely number
"""
