"""Names as they sound: French spellings of one name find each other."""

import pytest

from fhir_server.foundation.predicate import matches
from fhir_server.foundation.problem import Problem
from fhir_server.search.index import index_of
from fhir_server.search.parse import parse
from fhir_server.search.phonetic import codes

ALIKE = [
    "Dupont Dupond Dupon",
    "Moreau Moro Moreaux Morot",
    "Gauthier Gautier Gothier",
    "Lefebvre Lefèvre Lefeuvre",
    "Renault Renaud Reno Renaux",
    "Thibault Thibaut Tibo Thibeau",
    "Philippe Filip Philipe",
    "Guillaume Guilaume",
    "Hélène Elene Helene",
    "Schmitt Schmidt Chmit",
    "Yves Ives",
    "Wagner Vagner",
    "Lambert Lanbert",
    "Christophe Cristof",
    "Quentin Kentin",
    "Georges George Jorge",
    "Aurélie Orélie",
    "Martin Martain Marten",
    "Benoît Benois",
]


@pytest.mark.parametrize("names", ALIKE)
def test_what_sounds_alike_is_coded_alike(names):
    assert 1 == len({codes(each) for each in names.split()})


@pytest.mark.parametrize("pair", ["Martin Morin", "Bernard Bertrand", "Paul Pierre", "Léa Luce", "Renaud Arnaud"])
def test_what_sounds_different_is_coded_apart(pair):
    first, second = pair.split()
    assert not set(codes(first)) & set(codes(second))


def found(text, *, type_="Patient", **resource):
    where = parse(type_, [("phonetic", text)], lenient=False, base="").where
    return matches(where, {"index": index_of({"resourceType": type_, **resource}).tokens})


def test_a_cedilla_may_be_left_out_on_either_side():
    for stored, asked in (("François", "Francois"), ("Francois", "François"), ("François", "Fransois")):
        assert found(asked, name=[{"given": [stored]}])


def test_all_words_are_needed_and_stand_in_any_order():
    jean = {"name": [{"family": "d'Aubigné", "given": ["Jean-Pierre"]}]}
    for asked in ("Piere", "jan pier", "Daubigne Jean", "D’Aubigné"):
        assert found(asked, **jean), asked
    assert not found("Jean Paul", **jean)


def test_an_organization_is_found_by_how_its_name_sounds():
    assert found("hopital", type_="Organization", name="Hôpital de la Vallée")
    assert found("opital vale", type_="Organization", name="Hôpital de la Vallée")
    assert not found("clinique", type_="Organization", name="Hôpital de la Vallée")


@pytest.mark.parametrize("text", ["-", "12", "'"])
def test_a_text_without_a_word_is_refused(text):
    with pytest.raises(Problem, match="needs a name"):
        found(text)


@pytest.mark.parametrize("word", ["ß", "д", "王", "ı", "é", "ŒUVRE", "x" * 300])
def test_any_letters_have_a_code(word):
    assert codes(word)
    assert found(word, name=[{"family": word}])
