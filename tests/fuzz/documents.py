"""GraphQL documents made from the schema: fields, arguments, variables, aliases, fragments and directives by chance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from tests.fuzz import values
from tests.graphql_schema.asking import SCHEMA

# How often a value is one that makes sense.
SENSIBLE: Final = 0.85
_MUTATIONS_OF: Final[Mapping[str, str]] = {
    "user": "user",
    "team": "team",
    "share": "share",
    "apikey": "apiKey",
    "segment": "segment",
    "report": "report",
    "website": "website",
}
# Names of arguments and input fields → what they are the id of.
_IDS: Final[Mapping[str, str]] = {
    "websiteId": "website",
    "website": "website",
    "teamId": "team",
    "userId": "user",
    "segment": "segment",
    "cohort": "cohort",
}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("/", "/pricing", "/p"),
    "event": ("signup", "purchase"),
    "currency": ("USD", "usd", "EUR"),
    "key": ("plan", "n", "email", "nested.x"),
    "property": ("revenue", "n"),
    "timezone": values.ZONES[:5],
    "search": ("", "a", "p", "Chrome,Firefox"),
    "startStep": ("/", "signup"),
    "endStep": ("/pricing", "purchase"),
    "username": ("u", "admin", "somebody"),
    "password": ("their password", "wrong password"),
    "current": ("wrong password",),
    "new": ("their password",),
    "name": ("a name",),
    "domain": ("example.com",),
    "url": ("/", "/x?utm_source=a", "https://example.com/y"),
    "ip": ("8.8.8.8", "2001:db8::1"),
    "userAgent": ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",),
    "matches": ("^/p", "[a-z]+$", "pri(c|k)ing"),
}


class Word(str):
    """The name of an enum's value, written without quotes in a document."""

    __slots__ = ()


@dataclass(frozen=True)
class Document:
    """An operation as it is sent."""

    query: str
    variables: dict[str, Any]
    kind: str  # query, mutation or subscription

    def payload(self) -> dict[str, Any]:
        return {"query": self.query, "variables": self.variables}


@dataclass
class Pool:
    """Ids that exist. Questions are about `lasting`; what changes something gets `victims` alone."""

    lasting: Mapping[str, str]
    victims: Mapping[str, Sequence[str]]
    cursors: Sequence[str]


@dataclass
class Maker:
    """Makes one document from a source of chance."""

    chance: Random
    pool: Pool
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    changing: bool = False
    aliases: int = 0

    def make(self, kind: str = "") -> Document:
        kind = kind or self.chance.choices(("query", "mutation"), (5, 3))[0]
        self.changing = kind == "mutation"
        root = SCHEMA.type_map[kind.title()]
        assert isinstance(root, GraphQLObjectType)
        count = 1 if kind == "subscription" else self.chance.choice((1, 1, 2, 3))
        body = " ".join(self._field(name, root.fields[name], 5) for name in self._names(root, count))
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        name = self.chance.choice(("", " Asked", " _1"))
        query = f"{kind}{name}{declared} {{ {body} }} {' '.join(self.fragments)}"
        return Document(query, self.variables, kind)

    def _names(self, of: GraphQLObjectType, count: int) -> list[str]:
        names = list(of.fields)
        if of.name == "Query":
            # Nearly everything there is to ask lies below one website.
            names += ["website"] * len(names)
        return [self.chance.choice(names) for _ in range(count)]

    def _selection(self, kind: Any, depth: int) -> str:
        named = get_named_type(kind)
        if is_leaf_type(named):
            return ""
        if isinstance(named, GraphQLUnionType):
            members = self.chance.sample(named.types, min(2, len(named.types)))
            inside = " ".join(f"... on {one.name} {{ {self._fields(one, depth)} }}" for one in members)
            return f" {{ __typename {inside} }}"
        assert isinstance(named, GraphQLObjectType)
        body = self._fields(named, depth)
        # What a mutation makes or finds is changed and deleted by later ones.
        known = "id " if self.changing and "id" in named.fields else ""
        if self.chance.random() < 0.1:
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {named.name} {{ {body} }}")
            body = f"...{name}"
        elif self.chance.random() < 0.1:
            body = f"... on {named.name} {self._directive()}{{ {body} }}"
        return f" {{ __typename {known}{body} }}"

    def _fields(self, of: GraphQLObjectType, depth: int) -> str:
        names = [
            name for name, one in of.fields.items() if depth > 1 or is_leaf_type(get_named_type(one.type))
        ]
        if of.name == "Website":
            names += ["analytics"] * 10
        chosen = [self.chance.choice(names) for _ in range(self.chance.choice((1, 2, 3, 5)))] if names else []
        return " ".join(("__typename", *(self._field(name, of.fields[name], depth - 1) for name in chosen)))

    def _field(self, name: str, one: GraphQLField, depth: int) -> str:
        given = []
        for argument, about in one.args.items():
            if is_required_argument(about) or self.chance.random() < (0.1 if argument == "after" else 0.3):
                value = self.value(about.type, argument, name)
                given.append(f"{argument}: {self._passed(value, about.type)}")
        alias = ""
        # Without one of its own it could not stand beside the same field with other arguments.
        if given or self.chance.random() < 0.1 or not is_leaf_type(get_named_type(one.type)):
            self.aliases += 1
            alias = f"a{self.aliases}: "
        arguments = f"({', '.join(given)})" if given else ""
        return f"{alias}{name}{arguments} {self._directive()}{self._selection(one.type, depth)}"

    def _directive(self) -> str:
        if self.chance.random() > 0.05:
            return ""
        condition = self._passed(self.chance.random() < 0.7, GraphQLNonNull(SCHEMA.type_map["Boolean"]))
        return f"@{self.chance.choice(('include', 'skip'))}(if: {condition}) "

    def _passed(self, value: Any, kind: Any) -> str:
        """The value in the document, or a variable that holds it."""
        if self.chance.random() < 0.5:
            name = f"v{len(self.variables)}"
            self.variables[name] = value
            self.declared.append(f"${name}: {kind}")
            return f"${name}"
        return literal(value)

    def value(self, kind: Any, name: str, owner: str = "") -> Any:
        """A value for an argument or input field of this name."""
        if isinstance(kind, GraphQLNonNull):
            return self.value(kind.of_type, name, owner)
        if isinstance(kind, GraphQLList):
            return [
                self.value(kind.of_type, name, owner) for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3)))
            ]
        if isinstance(kind, GraphQLEnumType):
            return Word(self.chance.choice(list(kind.values)))
        if isinstance(kind, GraphQLInputObjectType):
            return self._input(kind, owner)
        if kind.name == "ID":
            return self._id(name, owner)
        if self.chance.random() < SENSIBLE:
            return self._sensible(kind.name, name)
        return self._odd(kind.name)

    def _input(self, kind: GraphQLInputObjectType, owner: str) -> dict[str, Any]:
        if kind.name == "PeriodInput" and self.chance.random() < SENSIBLE:
            return self.chance.choice(
                (
                    {"last": Word("DAYS_7")},
                    {"start": "2026-11-10", "end": "2026-11-11", "timezone": "Europe/Berlin"},
                    {"start": "2026-11-01", "end": "2026-11-30"},
                    {"all": True},
                )
            )
        optional = [name for name, one in kind.fields.items() if not is_required_input_field(one)]
        # Of those that exclude each other mostly one; of a filter's thirty few.
        few = self.chance.choices((0, 1, 2, 4), (1, 6, 3, 1))[0]
        chosen = set(self.chance.sample(optional, min(few, len(optional))))
        return {
            name: self.value(one.type, name, owner)
            for name, one in kind.fields.items()
            if name in chosen or is_required_input_field(one)
        }

    def _id(self, name: str, owner: str) -> Any:
        if self.chance.random() > 0.9:
            return self.chance.choice(
                (values.NIL, "", "nope", values.NIL.replace("-", ""), values.text(self.chance))
            )
        about = _IDS.get(name) or next((v for k, v in _MUTATIONS_OF.items() if k in owner.lower()), owner)
        about = {"savedReport": "report"}.get(owner, about)
        if self.changing and owner not in ("track", "trackBatch"):
            return self.chance.choice(self.pool.victims.get(about) or (values.NIL,))
        return self.pool.lasting.get(about, values.NIL)

    def _sensible(self, scalar: str, name: str) -> Any:
        if scalar in ("Int", "Int64"):
            return self.chance.choice((1, 3, 5, 10, 100, 60))
        if scalar == "Float":
            return self.chance.choice((1.0, 0.5, 100.0))
        if scalar == "Boolean":
            return self.chance.random() < 0.8
        if scalar in ("DateTime", "Moment", "LocalDateTime"):
            zone = "Z" if scalar == "DateTime" else ""
            return self.chance.choice((f"2026-11-10T10:00:00{zone}", f"2099-01-01T00:00:00{zone}"))
        if scalar == "JSON":
            return self.chance.choice(
                ({}, {"plan": "pro", "n": 3}, {"revenue": 5, "currency": "USD"}, {"a": {"b": [1]}})
            )
        if name == "after":
            return self.chance.choice(self.pool.cursors)
        if name in ("slug", "shareId"):
            return self.pool.lasting["slug"]
        return self.chance.choice(_WORDS.get(name, ("a", "US", "Chrome", "sampletext12")))

    def _odd(self, scalar: str) -> Any:
        """Of the right JSON type mostly, and at an edge."""
        table: Mapping[str, Sequence[Any]] = {
            "Int": (0, -1, 101, 2**31 - 1, -(2**31), 2**31),
            "Int64": (0, -1, 2**63 - 1, -(2**63), 2**63),
            "Float": (0.0, -1.0, 1.7e308, -1.7e308, 5e-324),
            "Boolean": (True, False, None),
            "DateTime": values.TIMES,
            "Moment": values.TIMES,
            "LocalDateTime": values.TIMES,
        }
        if scalar in table:
            return self.chance.choice(table[scalar])
        if scalar in ("JSON", "PropertyValue"):
            return values.anything(self.chance)
        return self.chance.choice(
            (values.text(self.chance), *values.ZONES[-8:], values.at_limit(self.chance, 50))
        )


def literal(value: Any) -> str:
    """A value as GraphQL spells it."""
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, dict):
        # A key that is no name cannot be written; the parser is to say so.
        return "{" + ", ".join(f"{key}: {literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)
