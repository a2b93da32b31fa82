"""The library: what R4 has, and what it costs a worker to know it."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from fhir_server.definitions import library
from fhir_server.definitions.library import Table, load, profile_json, table


def test_r4_has_146_concrete_resource_types_and_145_of_them_have_a_url():
    assert 146 == len(load().types)
    assert list(load().types) == sorted(load().types)
    assert {"Parameters"} == set(load().types) - set(load().endpoints)


@pytest.mark.parametrize("name", ["Resource", "DomainResource", "HumanName", "string", "patient", "", "../Patient"])
def test_what_is_no_concrete_resource_type_is_none(name):
    assert not load().is_type(name)


def test_a_type_knows_what_it_specializes():
    assert ("DomainResource", "Resource") == load().ancestors("Patient")
    assert ("Resource",) == load().ancestors("Bundle")
    assert ("Quantity", "Element") == load().ancestors("Age")
    assert () == load().ancestors("Resource")


def test_a_table_decodes_the_entry_that_is_asked_for():
    made = Table(b'{\n"a":{"x":[1,{"y":"\xc3\xa9"}]},\n"b|1":null\n}\n')
    assert ["a", "b|1"] == list(made)
    assert {"x": [1, {"y": "é"}]} == made["a"]
    assert made["b|1"] is None
    assert "c" not in made
    with pytest.raises(KeyError):
        made["c"]


def test_every_entry_of_every_table_reads_back():
    sources = json.loads((library.files("fhir_server.definitions") / "r4" / "SOURCES.json").read_bytes())
    for name in sources["tables"]:
        known = table(name.removesuffix(".json"))
        assert len(known) == len([known[key] for key in known]), name
        assert len(known), name


def test_profiles_are_read_with_exact_decimals(tmp_path, monkeypatch):
    (tmp_path / "dmp").mkdir()
    (tmp_path / "dmp" / "example.json").write_text('{"value": 1.00, "text": "médecin"}', "utf-8")
    monkeypatch.setattr(library, "profiles", lambda: tmp_path)
    profile_json.cache_clear()
    read = profile_json("dmp/example.json")
    assert Decimal("1.00") == read["value"]
    assert "1.00" == str(read["value"])
    assert "médecin" == read["text"]
    assert read is load().profile_json("dmp/example.json")
    profile_json.cache_clear()


@pytest.mark.parametrize("name", ["../setup.cfg", "dmp/../../x.json", "/etc/passwd", "dmp//x.json", ""])
def test_a_profile_is_never_looked_for_outside_its_folder(name):
    with pytest.raises(ValueError, match="is not the name of a profile"):
        profile_json(name)


COST = """
import resource, time
import importlib.resources, json, gzip, dataclasses, orjson
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
from fhir_server.definitions import code_lists, compartments, elements, library, paths, search_parameters
for type_ in library.load().types:
    search_parameters.parameters(type_), compartments.owner_parameters(type_), paths.finder(type_)
for type_ in library.load().definitions:
    elements.children(type_), elements.properties(type_)
for name in library.table("value_sets"):
    code_lists.codes(name)
spent = time.process_time() - start
print(json.dumps([spent, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


def test_knowing_everything_costs_a_worker_less_than_a_second_and_60_megabytes():
    """The goal is half a second; measured 0.3 to 0.4 s on two cores. Twice the goal fails, since machines differ."""
    run = subprocess.run([sys.executable, "-c", COST], check=True, capture_output=True, text=True)
    seconds, megabytes = json.loads(run.stdout)
    assert seconds < 1
    assert megabytes < 60
