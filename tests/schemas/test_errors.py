"""What messages leave out."""

import pytest

from schemas.errors import redacted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3://me:secret@host/a can't be read", "s3://***@host/a can't be read"),
        ("https://host/a?X-Sig=secret&b=1: gone", "https://host/a?*** gone"),
        ("(https://host/a?sig=secret) and s3://b/c", "(https://host/a?***) and s3://b/c"),
        ("'https://u@host/a?sig=secret'", "'https://***@host/a?***'"),
        ("s3://bucket/part-?.gz: none, k=v", "s3://bucket/part-?.gz: none, k=v"),
        ("/data/a?b=c: did you mean x@y?", "/data/a?b=c: did you mean x@y?"),
    ],
)
def test_urls_are_told_without_credentials(text: str, told: str) -> None:
    assert redacted(text) == told
