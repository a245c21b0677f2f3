"""What every operation of the document is made of: answers, errors, headers, bodies; as OpenAPI 3.1 writes them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.errors import DigitsError
from service.logs import REQUEST_ID, REQUEST_ID_HEADER
from service.refusals import FAILURE, REFUSALS

Json = dict[str, Any]

JSON = "application/json"
BYTES = "application/octet-stream"
BINARY: Json = {"type": "string", "format": "binary", "minLength": 1}

HEADERS: Json = {
    REQUEST_ID_HEADER: {
        "description": "The name of the request in the log: the one that was sent, where it is fit, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"},
    },
    "X-Content-Type-Options": {"required": True, "schema": {"const": "nosniff"}},
    "Retry-After": {
        "description": "So many seconds later another try is worth it.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
}
_ON_EVERY_ANSWER = (REQUEST_ID_HEADER, "X-Content-Type-Options")


@dataclass(frozen=True)
class Problem:
    """An error as a client meets it."""

    status: int
    code: str
    meaning: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What a route and its function do not say themselves. `answers` are responses by status, as OpenAPI writes them.

    `errors` are those of its own, beside what the worker may answer to anything. `about` is Markdown; `summary` is for
    a function that is not ours. `keys` are the ways to present one, where one is demanded.
    """

    tag: str
    answers: Json
    errors: tuple[type[DigitsError], ...] = ()
    parameters: tuple[Json, ...] = ()
    body: Json | None = None
    about: str = ""
    summary: str = ""
    keys: tuple[str, ...] = ()

    def problems(self) -> list[Problem]:
        """Return all errors that it can answer with, each code once."""
        return _each_once([*map(of_type, self.errors), *OF_THE_WORKER])


@dataclass(frozen=True)
class _Group:
    """Errors that share a status, and so a response."""

    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "_or_".join(problem.code for problem in self.problems)


def kinds(root: type[DigitsError] = DigitsError) -> Iterator[type[DigitsError]]:
    """Yield each type of error below `root` that has a code of its own."""
    for kind in root.__subclasses__():
        if "code" in vars(kind):
            yield kind
        yield from kinds(kind)


def of_type(kind: type[DigitsError]) -> Problem:
    """Return what a client meets when an error of that type is raised."""
    return Problem(kind.status, kind.code, (kind.__doc__ or "").splitlines()[0], tuple(kind.headers))


OF_THE_WORKER = tuple(Problem(status.value, code, message) for status, code, message in (*REFUSALS.values(), FAILURE))


def every_problem() -> list[Problem]:
    """Return each error that there is, in the order of the statuses."""
    return sorted(_each_once([*map(of_type, kinds()), *OF_THE_WORKER]), key=lambda problem: problem.status)


def _each_once(problems: list[Problem]) -> list[Problem]:
    """Return the first of those that share a code."""
    return list({problem.code: problem for problem in reversed(problems)}.values())[::-1]


def answer(description: str, content: Json | None = None, *, headers: Json | None = None) -> Json:
    """Return a response with `content` by media type, and the headers that every answer has."""
    common = {name: {"$ref": f"#/components/headers/{name}"} for name in _ON_EVERY_ANSWER}
    body = {"content": {kind: {"schema": schema} for kind, schema in content.items()}} if content else {}
    return {"description": description, "headers": {**common, **(headers or {})}, **body}


def error_references(operation: Operation) -> Json:
    """Return the responses for the errors of an operation, by status."""
    return {
        str(status): {"$ref": f"#/components/responses/{group.name}"}
        for status, group in _by_status(operation.problems()).items()
    }


def error_responses(operations: Iterable[Operation]) -> Json:
    """Return the responses to which `error_references` refers, by name."""
    groups = [group for operation in operations for group in _by_status(operation.problems()).values()]
    return {group.name: _error_response(group.problems) for group in groups}


def _by_status(problems: Iterable[Problem]) -> Mapping[int, _Group]:
    groups: dict[int, _Group] = {}
    for problem in problems:
        groups.setdefault(problem.status, _Group()).problems.append(problem)
    return dict(sorted(groups.items()))


def _error_response(problems: list[Problem]) -> Json:
    meaning = " ".join(f"`{problem.code}`: {problem.meaning}" for problem in problems)
    schema = error_schema([problem.code for problem in problems])
    headers = {name: {"$ref": f"#/components/headers/{name}"} for problem in problems for name in problem.headers}
    return answer(meaning, {JSON: schema}, headers=headers)


def error_schema(codes: list[str]) -> Json:
    """Return the schema of an error that has one of these codes."""
    return {
        "type": "object",
        "required": ["error", "code"],
        "properties": {
            "error": {"type": "string", "description": "A sentence that says what to do."},
            "code": {"enum": codes, "description": "For programs."},
        },
    }


def reference(name: str) -> Json:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(description: str, required: Json, optional: Json | None = None) -> Json:
    """Return the schema of an object with these properties."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "description": description, "required": list(required), "properties": properties}


def parameter(place: str, name: str, description: str, schema: Json, **more: Any) -> Json:
    """Return a parameter in the query, a header or the path."""
    return {"name": name, "in": place, "description": description, "schema": schema, **more}
