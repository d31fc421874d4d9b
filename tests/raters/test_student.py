"""The artefact, and what a student makes of a text."""

import hashlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raters.criteria import CRITERIA, DOMAINS
from raters.student import SHIPPED, Student, entropy, expected, featurise, load_student

TEXTBOOK = (
    "Photosynthesis converts the energy of light into chemical energy. In the first stage, "
    "pigments in the membrane absorb light and pass electrons along a chain of proteins; the "
    "gradient that results drives the synthesis of ATP. In the second, the cell uses that energy "
    "to fix carbon dioxide, and so builds the sugars from which nearly all other organic "
    "molecules are made. "
)
SPAM = "WIN a FREE phone!!! txt CLAIM to 80085 now!! click here, cheap cheap deals $$$ lol\n"
MENU = "Home\nLogin\nRegister\nSearch\nContact us\nPrivacy\nCart\nHome\nLogin\nMore\nNext\n"


@pytest.fixture(scope="module")
def student() -> Student:
    return load_student(str(SHIPPED))


def overall(student: Student, text: str) -> float:
    (rating,) = student.rate([text])
    return float(expected(rating.scores[-1]))


def test_the_artefact_is_small_and_holds_no_objects() -> None:
    assert SHIPPED.stat().st_size < 5_000_000
    with np.load(SHIPPED, allow_pickle=False) as file:
        assert sorted(file.files) == sorted(["format", *(f.name for f in fields(Student))])
        assert all(not file[name].dtype.hasobject for name in file.files)
        assert all(np.isfinite(file[n]).all() for n in file.files if file[n].dtype.kind == "f")


def test_saving_gives_the_same_bytes(student: Student, tmp_path: Path) -> None:
    student.save(tmp_path / "again.npz")
    digests = [hashlib.sha256(p.read_bytes()).digest() for p in (SHIPPED, tmp_path / "again.npz")]
    assert digests[0] == digests[1]


def test_what_is_no_artefact_is_refused(student: Student, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with pytest.raises(ValueError, match="is no artefact of a student"):
        load_student(str(path))
    for content in (b"", b"PK\x03\x04 torn", SHIPPED.read_bytes()[:1000], b"\x80\x04K\x01."):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.npz is no artefact"):
            load_student(str(path))
    np.savez(path, format=np.array([1]), languages=np.array([{"en"}], dtype=object))
    with pytest.raises(ValueError, match="is no artefact"):
        load_student(str(path))
    np.savez(path, format=np.array([1]), languages=np.array(["en"]))
    with pytest.raises(ValueError, match="of this version's student"):
        load_student(str(path))
    arrays = {field.name: getattr(student, field.name) for field in fields(Student)}
    np.savez(path, allow_pickle=False, format=np.array([2]), **arrays)
    with pytest.raises(ValueError, match="of this version's student"):
        load_student(str(path))


def test_ratings_of_the_shipped_artefact_are_as_before(student: Student) -> None:
    """Features that change need a new artefact and another FORMAT."""
    known = {
        TEXTBOOK: "4.463 4.390 4.923 4.216 3.084 4.814 1.813 3.719 4.718 3.620 2.985 4.729 4.875 "
        "3.440 0.947",
        SPAM: "3.523 2.221 4.923 2.614 1.297 4.715 1.246 1.023 4.329 1.136 1.052 4.493 4.372 "
        "1.057 0.500",
        MENU: "4.123 2.553 4.926 3.107 1.745 4.740 1.400 1.377 4.550 1.144 1.815 4.374 4.822 "
        "1.328 0.410",
    }
    for text, values in known.items():
        (rating,) = student.rate([text])
        found = [*expected(rating.scores), rating.domains.max()]
        assert found == pytest.approx([float(value) for value in values.split()], abs=0.002)


def test_better_texts_have_higher_scores(student: Student) -> None:
    assert overall(student, TEXTBOOK) > overall(student, MENU) + 1
    assert overall(student, TEXTBOOK) > overall(student, SPAM) + 1
    words = sorted(TEXTBOOK.split(), key=lambda word: hashlib.sha256(word.encode()).digest())
    assert overall(student, TEXTBOOK) > overall(student, " ".join(words))


@pytest.mark.parametrize(
    ("letter", "text"),
    [
        ("A", "The patient had chronic pain; the doctor diagnosed an infection of the kidney."),
        ("B", "Investors sold shares after the bank reported lower quarterly earnings."),
        ("C", "The plaintiff may appeal to the court under section 4 of the statute."),
        ("G", "Proof. Let f be a polynomial over a field; by the lemma it has a prime factor."),
        ("H", "def total(items: list) -> int:\n    return sum(item.size for item in items)\n"),
    ],
)
def test_domains_are_recognised(student: Student, letter: str, text: str) -> None:
    (rating,) = student.rate([text])
    assert [*DOMAINS][int(rating.domains.argmax())] == letter


def test_probabilities_are_a_proportional_odds_model(student: Student) -> None:
    (rating,) = student.rate([TEXTBOOK])
    scores = student.score(featurise(TEXTBOOK))
    for i in range(len(CRITERIA)):
        for k in range(4):
            odds = np.exp(student.slopes[i] * scores[i] + student.cuts[i, k])
            assert rating.scores[i, k + 1 :].sum() == pytest.approx(odds / (1 + odds))
    assert rating.scores.sum(axis=1) == pytest.approx(1)
    assert rating.domains.sum() == pytest.approx(1)


def test_only_declared_weights_count(student: Student) -> None:
    one = student.score(featurise(TEXTBOOK))
    shifted = replace(student, offset=student.offset + np.float32(1)).score(featurise(TEXTBOOK))
    assert shifted - one == pytest.approx(1, abs=1e-5)
    bare = replace(
        student,
        gram_weights=np.zeros_like(student.gram_weights),
        style_weights=np.zeros_like(student.style_weights),
    )
    assert bare.score(featurise(TEXTBOOK)) == pytest.approx(student.offset)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=80), max_size=6), cut=st.integers(0, 6))
def test_texts_do_not_mind_their_neighbours(texts: list[str], cut: int) -> None:
    student = load_student(str(SHIPPED))
    whole = student.rate(texts)
    parts = student.rate(texts[:cut]) + student.rate(texts[cut:])
    for one, other in zip(whole, parts, strict=True):
        assert np.array_equal(one.scores, other.scores)
        assert np.array_equal(one.domains, other.domains)
        assert (one.scores >= 0).all()
        assert one.scores.sum(axis=1) == pytest.approx(1)


def test_mean_and_entropy_by_hand() -> None:
    assert expected(np.array([0.5, 0, 0, 0, 0.5])) == 3
    assert expected(np.array([[0, 1.0, 0, 0, 0], [0, 0, 0.5, 0.5, 0]])).tolist() == [2, 3.5]
    assert entropy(np.array([0.5, 0, 0, 0, 0.5])) == pytest.approx(np.log(2))
    assert entropy(np.array([1.0, 0, 0, 0, 0])) == 0
