"""A request -> an answer: the door, the routes, and what they share."""
