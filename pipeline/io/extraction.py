"""The main text of an HTML page, by resiliparse."""

import importlib.metadata

from pipeline.text.charset import decode

VERSION = 1
"""Raised whenever the text that is extracted changes."""


def extraction_version() -> str:
    """What extracts text, and in which version; it belongs to a generation."""
    return f"resiliparse {importlib.metadata.version('resiliparse')}, winnow {VERSION}"


def main_text(content: bytes, content_type: str | None) -> str:
    """The page's main text; empty where there is none. Any bytes will do."""
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    page, _ = decode(content, content_type)
    if "\0" in page:
        # The parser takes NUL for the end.
        page = page.replace("\0", "\ufffd")
    try:
        tree = HTMLTree.parse(page)
    except UnicodeEncodeError:
        # Some charsets decode to lone surrogates.
        tree = HTMLTree.parse(page.encode("utf-8", "replace").decode())
    text = extract_plain_text(tree, main_content=True, alt_texts=False)
    if not text.strip():
        # A page of a few words has nothing that looks like main content.
        text = extract_plain_text(tree, main_content=False, alt_texts=False)
    return str(text).encode("utf-8", "replace").decode().strip()
