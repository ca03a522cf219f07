"""What can be wrong with a body: octets, JSON, XML and forms. Each mutation changes a draft in place."""

import copy
import gzip
import json
import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote

from tests.scenarios import bad_values
from tests.scenarios.raw_requests import Draft

Mutation = Callable[[Draft, Random], None]


class UnfitError(Exception):
    """The mutation does not apply to this draft."""


# ---------------------------------------------------------------------- octets


def flip_octets(draft: Draft, source: Random) -> None:
    body = bytearray(draft.body or b"x")
    for _ in range(source.choice([1, 1, 2, 8])):
        body[source.randrange(len(body))] = source.randrange(256)
    draft.body = bytes(body)


def cut_short(draft: Draft, source: Random) -> None:
    draft.body = draft.body[: source.randrange(len(draft.body) + 1)]


def empty(draft: Draft, _: Random) -> None:
    draft.body = b""


def add_octets(draft: Draft, source: Random) -> None:
    odd = source.choice([
        b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"}", b"]]>", b"&", b"x", b" " * 5000, b"\xc0\x80", b"\xed\xa0\x80",
        b"\r\n0\r\n\r\n",
    ])  # fmt: skip
    at = source.choice([0, len(draft.body), source.randrange(len(draft.body) + 1)])
    draft.body = draft.body[:at] + odd + draft.body[at:]


def replace_octets(draft: Draft, source: Random) -> None:
    whole = [
        b"null", b"[]", b'""', b"0", b"{}", b"true", b" ", b"\x00" * 64, source.randbytes(200), b"<a/>", b"<a>",
        b"a=b", b"=", b"&&&", b"%", b"<?xml version='1.0'?>", b"\xff\xfe<\x00a\x00/\x00>\x00",
        bad_values.DEEP.encode(), b"[" * 100_000, b'{"a":' * 100_000, b"\xef\xbb\xbf{}",
    ]  # fmt: skip
    draft.body = source.choice(whole)


def twice(draft: Draft, _: Random) -> None:
    draft.body *= 2


@cache
def _bomb() -> bytes:
    return gzip.compress(b"\x00" * 70 * 2**20, 1)


def gzipped(draft: Draft, source: Random) -> None:
    whole = gzip.compress(draft.body)
    draft.put("Content-Encoding", source.choice(["gzip", "gzip", "GZIP", "gzip, gzip", "gzip,aws-chunked"]))
    draft.body = source.choice([
        whole, whole[:-6], whole + b"x", whole[:12], b"", draft.body, gzip.compress(whole), whole * 2,
        source.randbytes(50), _bomb(),
    ])  # fmt: skip


# ---------------------------------------------------------------------- JSON


def _document(draft: Draft) -> Any:
    try:
        return json.loads(draft.body)
    except (ValueError, RecursionError) as error:
        raise UnfitError from error


def _one(document: Any, source: Random) -> tuple[Any, Any]:
    found = list(bad_values.places(document))
    if not found:
        raise UnfitError
    return source.choice(found)


def json_odd_value(draft: Draft, source: Random) -> None:
    document = _document(draft)
    for _ in range(source.choice([1, 1, 1, 3])):
        held, key = _one(document, source)
        held[key] = bad_values.value(source)
    draft.body = bad_values.dump(document)


def json_other_type(draft: Draft, source: Random) -> None:
    document = _document(draft)
    held, key = _one(document, source)
    held[key] = bad_values.swapped(held[key], source)
    draft.body = bad_values.dump(document)


def json_odd_text(draft: Draft, source: Random) -> None:
    """Keep the kind of a value, so that more than its type is looked at."""
    document = _document(draft)
    for _ in range(source.choice([1, 1, 2])):
        held, key = _one(document, source)
        if isinstance(held[key], str):
            held[key] = source.choice(bad_values.TEXTS)
        elif isinstance(held[key], int | float) and not isinstance(held[key], bool):
            held[key] = bad_values.raw(source.choice(bad_values.NUMBERS))
    draft.body = bad_values.dump(document)


def json_without(draft: Draft, source: Random) -> None:
    document = _document(draft)
    held, key = _one(document, source)
    del held[key]
    draft.body = bad_values.dump(document)


def json_more(draft: Draft, source: Random) -> None:
    document = _document(draft)
    holders = [document, *(held for held, _ in bad_values.places(document))]
    held = source.choice([each for each in holders if isinstance(each, dict)] or [{}])
    held[source.choice([*bad_values.TEXTS, "Unknown", "__type", "__proto__", "MaxResults", "NextToken", "Tags"])] = (
        bad_values.value(source)
    )
    draft.body = bad_values.dump(document)


def json_repeated(draft: Draft, source: Random) -> None:
    document = _document(draft)
    lists = [held[key] for held, key in bad_values.places(document) if isinstance(held[key], list) and held[key]]
    if not lists:
        raise UnfitError
    chosen = source.choice(lists)
    chosen.extend(copy.deepcopy(chosen) * source.choice([1, 1, 50]))
    draft.body = bad_values.dump(document)


def json_wrapped(draft: Draft, source: Random) -> None:
    draft.body = bad_values.dump(bad_values.swapped(_document(draft), source))


# ---------------------------------------------------------------------- XML

_TEXT = re.compile(rb">([^<]*)<")
_TAG = re.compile(rb"</?[A-Za-z][^>]*>")
_LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
_PROLOGUES = [
    _LAUGHS, b'<!DOCTYPE x SYSTEM "file:///etc/passwd">', b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    b"<?xml version='1.0' encoding='utf-16'?>", b"<?xml version='1.0' encoding='latin-1'?>", b"<?xml version='1.1'?>",
    b"<?xml version='9'?>", b"<?php x ?>", b"<!-- x -->", b"<!-- -- -->", b"\n\n<?xml version='1.0'?>",
    b"<!doctype x>",
]  # fmt: skip
_INSIDE = [
    b"&a;", b"&c;", b"&#0;", b"&#xD800;", b"&#1114112;", b"&unknown;", b"&", b"<", b"]]>", b"<![CDATA[x]]>",
    b"<![CDATA[", b"<x:y/>", b"<a b='1' b='2'/>", b"<a b=1/>", b"<Key/>", b"\x00", b"\x01", b"\xff",
    b"<Unknown><a/></Unknown>", b"<a>" * 3000 + b"</a>" * 3000, b"<?pi?>", b"<!-- -->", b" " * 100,
]  # fmt: skip


def _has_xml(draft: Draft) -> None:
    if not draft.body.lstrip().startswith(b"<"):
        raise UnfitError


def xml_prologue(draft: Draft, source: Random) -> None:
    _has_xml(draft)
    draft.body = source.choice(_PROLOGUES) + draft.body
    if source.random() < 0.5:
        xml_text(draft, source)


def xml_text(draft: Draft, source: Random) -> None:
    _has_xml(draft)
    found = list(_TEXT.finditer(draft.body))
    if not found:
        raise UnfitError
    spot = source.choice(found)
    text = (
        source.choice([*bad_values.TEXTS, *bad_values.NUMBERS]).encode().replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    )
    draft.body = (
        draft.body[: spot.start(1)] + source.choice([text, text, source.choice(_INSIDE)]) + draft.body[spot.end(1) :]
    )


def xml_tags(draft: Draft, source: Random) -> None:
    _has_xml(draft)
    found = list(_TAG.finditer(draft.body))
    if not found:
        raise UnfitError
    spot, other = source.choice(found), source.choice(found)
    instead = source.choice([
        b"", spot[0] * 2, other[0], spot[0].upper(), spot[0].replace(b"<", b"<x:"), b"<a xmlns='urn:x'>",
        spot[0].rstrip(b">"),
    ])  # fmt: skip
    draft.body = draft.body[: spot.start()] + instead + draft.body[spot.end() :]


def xml_elements(draft: Draft, source: Random) -> None:
    """Repeat or remove an element with all that is in it."""
    _has_xml(draft)
    found = list(re.finditer(rb"<([A-Za-z]+)>(?:(?!<\1>).)*?</\1>", draft.body, re.DOTALL))
    if not found:
        raise UnfitError
    spot = source.choice(found)
    draft.body = draft.body[: spot.start()] + spot[0] * source.choice([0, 0, 2, 2, 1100]) + draft.body[spot.end() :]


# ---------------------------------------------------------------------- forms


def _form(draft: Draft) -> list[tuple[str, str]]:
    fields = parse_qsl(draft.body.decode("latin-1"), keep_blank_values=True)
    if draft.protocol != "query" or not fields:
        raise UnfitError
    return fields


def _write(draft: Draft, fields: list[tuple[str, str]]) -> None:
    draft.body = "&".join(f"{quote(name, safe='.')}={quote(text, safe='')}" for name, text in fields).encode()


def form_value(draft: Draft, source: Random) -> None:
    fields = _form(draft)
    at = source.randrange(len(fields))
    fields[at] = (fields[at][0], source.choice([*bad_values.TEXTS, *bad_values.NUMBERS]))
    draft.strays |= fields[at][0] in {"Action", "Version"}
    _write(draft, fields)


def form_name(draft: Draft, source: Random) -> None:
    fields = _form(draft)
    at = source.randrange(len(fields))
    name = fields[at][0]
    odd = [
        f"{name}.", f".{name}", f"{name}.member", f"{name}.member.1", f"{name}.member.0", f"{name}.member.x",
        f"{name}.1", name.replace("1", "0"), name.replace("1", "999999999"), name.replace("1", "99999999999"),
        name.replace("1", "-1"), name.replace("1", "²"), name.rpartition(".")[0], name.lower(), "..", "", "a" * 5000,
        ".".join("a" * 3000), f"{name}.entry.1.key", "Tags.member.1.Key", "Tags.member.1", "Tags.member", "Tags",
    ]  # fmt: skip
    changed = (source.choice(odd), fields[at][1])
    draft.strays |= name in {"Action", "Version"}
    fields = [*fields, changed] if source.random() < 0.4 else [*fields[:at], changed, *fields[at + 1 :]]
    _write(draft, fields)


def form_fields(draft: Draft, source: Random) -> None:
    fields = _form(draft)
    at = source.randrange(len(fields))
    draft.strays |= fields[at][0] in {"Action", "Version"}
    _write(draft, [*fields[:at], *([fields[at]] * source.choice([0, 0, 2, 1200])), *fields[at + 1 :]])


def form_escapes(draft: Draft, source: Random) -> None:
    _form(draft)
    at = source.randrange(len(draft.body))
    draft.strays = True
    odd = source.choice([
        b"%", b"%zz", b"%ff", b"%00", b"%ED%A0%80", b"&", b"&&", b"=", b";", b"+", b"\xff", b"%C3%28", b"\n",
    ])  # fmt: skip
    draft.body = draft.body[:at] + odd + draft.body[at:]


OCTETS: list[Mutation] = [flip_octets, cut_short, empty, add_octets, replace_octets, twice, gzipped]
JSON: list[Mutation] = [
    *[json_odd_text] * 5,
    json_odd_value,
    json_odd_value,
    json_other_type,
    json_other_type,
    json_without,
    json_more,
    json_repeated,
    json_wrapped,
]
XML: list[Mutation] = [xml_prologue, xml_text, xml_text, xml_tags, xml_elements]
FORM: list[Mutation] = [form_value, form_value, form_name, form_name, form_fields, form_escapes]
