"""What is advertised: each offered parameter can be indexed, and what cannot is not offered."""

import pytest

from fhir_server.definitions.library import load
from fhir_server.definitions.search_parameters import parameters
from fhir_server.search.extract import extractor
from fhir_server.search.index import index_of
from fhir_server.search.supported import LEFT_OUT, TYPES, known, supported


def test_every_offered_parameter_finds_its_values():
    for type_ in load().types:
        for code, each in supported(type_).items():
            assert each.type in TYPES
            assert isinstance(extractor(type_, code)({"resourceType": type_}), list)


@pytest.mark.parametrize(
    "code",
    [
        "_content",
        "_text",
        "_filter",
        "_query",
    ],
)
def test_what_does_not_work_is_not_offered(code):
    assert code in known("Patient")
    assert code not in supported("Patient")


def test_what_is_left_of_r4_is_text_filters_and_what_is_left_out_for_a_reason():
    left = {code for type_ in load().types for code in parameters(type_) if code not in supported(type_)}
    assert left == {"_content", "_text", "_filter", *LEFT_OUT}


def test_the_parameters_of_the_profiles_stand_beside_those_of_r4():
    assert {"isArchived", "period-start", "period-end", "creation", "type"} <= set(supported("DocumentReference"))
    assert {"isArchived", "designationType", "sourceId", "item"} <= set(supported("List"))
    assert "isArchived" not in supported("Patient")


def test_a_profiles_parameter_has_the_canonical_url_of_its_guide():
    url = "https://interop.esante.gouv.fr/ig/fhir/pdsm/SearchParameter/PDSm-isArchived"
    assert url == supported("DocumentReference")["isArchived"].url


def test_no_type_has_parameters_that_is_none():
    assert {} == dict(supported("Nothing"))
    assert {} == dict(known("Resource"))


@pytest.mark.parametrize("type_", load().types)
def test_an_empty_resource_of_any_type_has_an_index(type_):
    assert {} == index_of({"resourceType": type_}).by_reference
