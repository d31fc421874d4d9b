"""What the student sees of a text; gold ratings were given to the same view."""

HEAD = 1_400
TAIL = 600


def student_view(text: str) -> str:
    """The text itself up to 2,000 characters, else its first 1,400 and last 600 around an ellipsis.

    The view of a view is the view itself.
    """
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}\n...\n{text[-TAIL:]}"
