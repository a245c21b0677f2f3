"""A request -> an answer: the front, the routes, and what they share."""
