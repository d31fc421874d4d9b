"""Ids of documents and of their segments."""

from pipeline.io.digests import text_key
from pipeline.io.inputs import InputFile
from pipeline.io.records import Document


def document_id(file: InputFile, document: Document) -> str:
    """A document's id: it depends on the source, the file and the place in it, not on the run."""
    return text_key(file.source, file.path, document.position)


def segment_id(parent: str, index: int) -> str:
    """A segment's id: it depends on the whole document's and on its number in it, from 0 on."""
    return text_key(parent, str(index))
