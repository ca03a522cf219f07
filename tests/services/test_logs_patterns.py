"""Filter patterns, form by form: the User Guide's own examples, and that nothing breaks the reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.kernel.base.errors import AwsError
from sagebrush.services.logs.patterns import matcher

APACHE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
DOCUMENT = '{"user":{"id":1,"email":"a@b.c"},"users":[{"id":2}],"c":[[0,1]],"ok":true,"none":null,"took":4.5,"n-1":"x"}'


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("", "anything", True),
        ("ERROR", "Exiting with ERRORCODE: -1", True),
        ("ERROR", "error", False),
        ("Failed to process", "Unable to continue: Failed process", True),
        ('ERROR - "Exiting"', "Exiting with ERRORCODE: -1", False),
        ("-Exiting", "anything else", True),
        ("?ERROR ?WARN", "WARN message", True),
        ("?ERROR ?WARN", "message", False),
        ("?ERROR WARN", "ERROR", False),
        (r'"a \"quoted\" word"', 'here is a "quoted" word', True),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        (r"%^10\.10\.0\.[0-9]+$%", "10.10.0.77", True),
        (r"%^10\.10\.0\.[0-9]+$%", "x 10.10.0.77", False),
        ("[w1=ERROR, w2]", "ERROR message", True),
        ("[w1=ERROR, w2]", "ERROR WARN message", False),
        ("[w1=ERROR || w1=WARN, w2]", "WARN message", True),
        ("[w1!=ERROR&&w1!=WARN, w2]", "INFO message", True),
        ("[w1!=ERROR&&w1!=WARN, w2]", "WARN message", False),
        ("[..., request=*.html*, status_code=4*,]", APACHE, True),
        ("[ip, user, ..., status_code, bytes > 1000]", APACHE, True),
        ("[ip, user, ..., status_code, bytes > 2000]", APACHE, False),
        ("[ip, user, ...]", APACHE, True),
        ("[ip, user, username, timestamp, request, status_code = 404, bytes]", APACHE, True),
        ("[ip, user]", APACHE, False),
        ("{ $.user.id = 1 }", DOCUMENT, True),
        ('{ $.user.email = "a@b.c" && ($.user.id = 2 || $.users[0].id = 2) }', DOCUMENT, True),
        ("{ $.user.id = 2 || $.users[0].id = 2 && $.took > 5 }", DOCUMENT, False),
        ("{ $.c[0][1] = 1 }", DOCUMENT, True),
        ("{ $.ok IS TRUE }", DOCUMENT, True),
        ("{ $.ok IS FALSE }", DOCUMENT, False),
        ("{ $.none IS NULL }", DOCUMENT, True),
        ("{ $.gone IS NULL }", DOCUMENT, False),
        ("{ $.gone NOT EXISTS }", DOCUMENT, True),
        ("{ $.none NOT EXISTS }", DOCUMENT, False),
        ("{ $.users != 1 }", DOCUMENT, False),
        ("{ $.gone != 1 }", DOCUMENT, False),
        ("{ $.took <= 45e-1 }", DOCUMENT, True),
        ("{ $.took > +4.5 }", DOCUMENT, False),
        ("{ $.took = * }", DOCUMENT, True),
        ('{ $.n-1 = "x" }', DOCUMENT, True),
        ('{ $.user.email = "*@b.c" }', DOCUMENT, True),
        ('{ $.user.email = "a*c" }', DOCUMENT, False),
        ("{ $.user.email = %^a@% }", DOCUMENT, True),
        ("{ $.user.email != %^a@% }", DOCUMENT, False),
        ("{ $.user.id = 1 }", "not JSON", False),
    ],
)
def test_what_matches(pattern: str, line: str, expected: bool) -> None:
    assert matcher(pattern)(line) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("?Status: timeout", "Invalid character(s) in term ':'"),
        ("%something!%", "Invalid character(s) in term '!'"),
        ("{ $.n >= some }", "Invalid character(s) in term 'some'"),
        ('{ $."sc-status" = 5* }', "Invalid character(s) in term '$.'"),
        ("[...fields, status=FAILED]", "Invalid character(s) in term '...fields'"),
        ("[a, ..., b, ...]", "Invalid character(s) in term '...'"),
        ("{ $.a = 1", "Invalid filter pattern"),
        ("{ $.a = }", "Invalid filter pattern"),
        ("{}", "Invalid filter pattern"),
        ("{" + "(" * 900 + "$.a = 1" + ")" * 900 + "}", "Invalid character(s) in term '('"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        matcher(pattern)
    assert (caught.value.code, caught.value.message) == ("InvalidParameterException", message)


@settings(max_examples=2000, deadline=None)
@given(st.text('{}[]$.=!<>&|()%"?-, abIS NULL0123*\\\x00é', max_size=60), st.text('{}[]":,ab01 é', max_size=40))
def test_any_text_is_a_pattern_or_refused(pattern: str, line: str) -> None:
    try:
        matches = matcher(pattern)
    except AwsError as error:
        assert error.code == "InvalidParameterException"
        return
    assert matches(line) in (True, False)
    assert matches('{"a":[1,{"b":"0"}]}') in (True, False)


@given(st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=4), st.text("abc ", max_size=20))
def test_terms_are_parts_of_the_line(terms: list[str], line: str) -> None:
    assert matcher(" ".join(terms))(line) is all(term in line for term in terms)
    assert matcher(" ".join(f"?{term}" for term in terms))(line) is any(term in line for term in terms)
    assert matcher(" ".join(f"-{term}" for term in terms))(line) is not any(term in line for term in terms)
