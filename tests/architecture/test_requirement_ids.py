"""Check that tests/README.md explains every requirement id that code and tests cite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "README.md"
CITATION = re.compile(
    r"(?<![\w%+-])(S-\d{2}|[AEFGMOPRTV]\d{1,2})(?!\w)"  # in a text, except %A6 of a URL and U+E0041 of a character
    r"|(?<=def test_)(r\d{1,2})(?=_)"  # in the name of a test
)


def list_citations(text: str) -> Iterator[str]:
    """List the ids in a text, `R2` for `r02` in the name of a test."""
    for match in CITATION.finditer(text):
        family, number = re.fullmatch(r"(S-|\w)(\d+)", match[0].upper()).groups()  # type: ignore[union-attr]
        yield match[0] if family == "S-" else f"{family}{int(number)}"


def list_explained_ids() -> list[str]:
    """List the ids of the tables in order."""
    return re.findall(r"^\| ([A-Z]-?\d+) \| [^|]{15,} \|$", LIST.read_text(), re.MULTILINE)


def find_cited_ids() -> dict[str, Path]:
    """Find the cited ids, with one citing file each."""
    sources = [path for folder in ("reconciler", "tests") for path in (ROOT / folder).rglob("*.py")]
    return {
        cited: path.relative_to(ROOT)
        for path in sources
        if path != Path(__file__)
        for cited in list_citations(path.read_text())
    }


def test_every_id_is_explained_and_cited() -> None:
    explained, cited = list_explained_ids(), find_cited_ids()
    assert {each: path for each, path in cited.items() if each not in explained} == {}
    assert [each for each in explained if each not in cited] == []
    assert len(explained) == len(set(explained))


def test_citations_are_distinguished_from_similar_texts() -> None:
    text = '"""O1 to O4, (S-05): R23."""\ndef test_r02_a_name() -> None: "%A6 U+E0041 P-256 RG1 A002"'
    assert list(list_citations(text)) == ["O1", "O4", "S-05", "R23", "R2"]
