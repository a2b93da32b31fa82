"""XML says what JSON says, nothing more and nothing less (https://hl7.org/fhir/R4/xml.html)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.definitions.elements import children
from fhir_server.definitions.library import load
from fhir_server.foundation.problem import Problem
from fhir_server.resources import json_text
from fhir_server.resources.xml_text import read, write
from tests.unit.resources.full import DIV, XHTML, forms, full
from tests.unit.resources.walking import examples, resource_of

FOLDERS = ("r4", "pdsm4dmp", "pcf", "frcore")
EXAMPLES = [path for folder in FOLDERS for path in examples(folder)]
NS = 'xmlns="http://hl7.org/fhir"'
NUMBERS = ["1.00", "1e2", "-0", "-0.0", "0.00000001", "1E+5", "12345678901234567890", "12345678901234567.10", "0", "-7"]
SPOKEN = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r\x7f\x85"
)


def canonical(node):
    """JSON text with the names of each object in order: the order of names says nothing in JSON."""

    def sorted_(each):
        if isinstance(each, dict):
            return {name: sorted_(each[name]) for name in sorted(each)}
        return [sorted_(one) for one in each] if isinstance(each, list) else each

    return json_text.write(sorted_(node))


def assert_lossless(resource):
    told = write(resource)
    back = read(told)
    assert canonical(resource) == canonical(back)
    assert told == write(back)
    assert back == read(write(resource, pretty=True))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_official_example_goes_to_xml_and_comes_back_the_same(path):
    assert_lossless(resource_of(path))


@pytest.mark.parametrize("type_", load().types)
def test_a_resource_with_everything_in_it_goes_to_xml_and_comes_back_the_same(type_):
    for variant in range(3):
        assert_lossless(full(type_, variant))


def test_every_property_of_every_type_goes_to_xml_and_comes_back_the_same():
    told = 0
    for type_ in load().types:
        for resource in forms(type_):
            assert_lossless(resource)
            told += 1
    assert told > 3700


@pytest.mark.parametrize(("name", "ref"), children("Extension")["value"].properties.items())
def test_an_extension_keeps_a_value_of_every_type(name, ref):
    simple = {"boolean": True, "decimal": 1, "integer": 1, "positiveInt": 1, "unsignedInt": 1}
    value = simple.get(ref.code, "a") if ref.code[0].islower() else {"id": "a"}
    assert_lossless({"resourceType": "Basic", "extension": [{"url": "urn:x", name: value}]})


def test_a_resource_in_xml_is_what_the_specification_shows():
    resource = {
        "resourceType": "Patient",
        "_birthDate": {"id": "314159", "extension": [{"url": "urn:text", "valueString": "Easter 1970"}]},
        "id": "a",
        "text": {"status": "generated", "div": f"<div {XHTML}>a &amp; b</div>"},
        "birthDate": "1970-03-30",
        "multipleBirthInteger": 2,
        "active": False,
        "contained": [{"resourceType": "Organization", "id": "o"}],
        "name": [{"given": ["a", None], "_given": [None, {"id": "g", "extension": [{"url": "urn:n"}]}]}],
    }
    assert (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Patient {NS}><id value="a"/>'
        f'<text><status value="generated"/><div {XHTML}>a &amp; b</div></text>'
        '<contained><Organization><id value="o"/></Organization></contained>'
        '<active value="false"/><name><given value="a"/><given id="g"><extension url="urn:n"/></given></name>'
        '<birthDate value="1970-03-30" id="314159"><extension url="urn:text">'
        '<valueString value="Easter 1970"/></extension></birthDate>'
        '<multipleBirthInteger value="2"/></Patient>'
    ) == write(resource).decode()


def test_a_pretty_resource_is_on_lines_of_its_own_and_its_narrative_untouched():
    resource = {
        "resourceType": "Basic",
        "text": {"status": "generated", "div": DIV},
        "contained": [{"resourceType": "List"}],
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<Basic {NS}>",
        "  <text>",
        '    <status value="generated"/>',
        f"    {DIV}",
        "  </text>",
        "  <contained>",
        "    <List/>",
        "  </contained>",
        "</Basic>",
    ]
    assert "\n".join(lines) == write(resource, pretty=True).decode()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_keeps_its_digits(number):
    resource = json_text.read(f'{{"resourceType":"Observation","valueQuantity":{{"value":{number}}}}}')
    back = read(write(resource))
    assert f'<value value="{number}"/>'.encode() in write(resource)
    assert type(resource["valueQuantity"]["value"]) is type(back["valueQuantity"]["value"])
    assert canonical(resource) == canonical(back)


@given(st.text(SPOKEN))
def test_any_text_comes_back_the_same(text):
    assert_lossless({"resourceType": "Basic", "id": text, "code": {"text": text}, "extension": [{"url": text}]})


@given(st.text(max_size=5))
def test_a_character_that_xml_cannot_say_spoils_no_answer(text):
    read(write({"resourceType": "Basic", "code": {"text": f"\ufffe{text}\uffff"}}))


def test_comments_and_blanks_are_passed_over_and_a_prefix_is_as_good_as_none():
    text = b"""<?xml version='1.0' encoding='utf-8'?>
    <!-- a -->
    <f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:schemaLocation="http://hl7.org/fhir ../patient.xsd"><!-- b -->
      <f:active value="true"><!-- c --> </f:active>
      <f:contained> <!-- d --> <f:List/> </f:contained>
    </f:Patient> <!-- e -->"""
    with pytest.raises(Problem, match="`contained` stands out of order"):
        read(text)
    turned = text.replace(b'<f:active value="true"><!-- c --> </f:active>', b"")
    assert {"resourceType": "Patient", "contained": [{"resourceType": "List"}]} == read(turned)


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<active value="yes"/>', {"active": "yes"}),
        ('<multipleBirthInteger value="+5"/>', {"multipleBirthInteger": 5}),
        ('<multipleBirthInteger value="+-5"/>', {"multipleBirthInteger": "+-5"}),
        ('<multipleBirthInteger value="05"/>', {"multipleBirthInteger": "05"}),
        ('<birthDate value=""/>', {"birthDate": ""}),
        ("<birthDate/>", {"_birthDate": {}}),
        ("<name/>", {"name": [{}]}),
        ("<name><given/></name>", {"name": [{"_given": [{}]}]}),
        ('<deceasedBoolean value="true"/><deceasedDateTime value="2020"/>', {"deceasedBoolean": True, "deceasedDateTime": "2020"}),
    ],
)  # fmt: skip
def test_what_is_no_value_of_its_type_is_left_for_validation_to_name(inside, expected):
    assert {"resourceType": "Patient", **expected} == read(f"<Patient {NS}>{inside}</Patient>".encode())


def patient(inside, attributes=NS):
    return f"<Patient {attributes}>\n{inside}\n</Patient>"


REFUSED = [
    (patient('<nom value="x"/>'), "`nom` is no element of `Patient`", "line 2", "Patient"),
    (patient('<birthdate value="x"/>'), "did you mean `birthDate`", "line 2", "Patient"),
    (patient('<name>\n<familly value="x"/></name>'), "`familly` is no element of `HumanName`; did you mean `family`", "line 3", "Patient.name[0]"),
    (patient('<name/><name>\n<given value="a"/><given value="a" x="y"/></name>'), "`x` is no attribute of `given`", "line 3", "Patient.name[1].given[1]"),
    (patient('<name url="x"/>'), "`url` is no attribute of `name`", "line 2", "Patient.name[0]"),
    (patient('<name value="x"/>'), "`value` is no attribute of `name`", "line 2", "Patient.name[0]"),
    (patient('<contained id="x"><List/></contained>'), "`contained` has no attribute", "line 2", "Patient.contained[0]"),
    (patient("<contained/>"), "`contained` holds one resource", "line 2", "Patient.contained[0]"),
    (patient("<contained><List/><List/></contained>"), "`contained` holds one resource", "line 2", "Patient.contained[0]"),
    (patient("<contained><Lisst/></contained>"), "`Lisst` is no resource type", "line 2", "Patient.contained[0]"),
    (patient('<contained><List>\n<x value="a"/></List></contained>'), "`x` is no element of `List`", "line 3", "Patient.contained[0]"),
    (patient('<contained><List>\n<mode value="a" x="a"/></List></contained>'), "`x`", "line 3", "Patient.contained[0].mode"),
    (patient("", f'{NS} id="x"'), "`id` is no attribute of `Patient`", "line 1", "Patient"),
    (patient("", f'{NS} xml:lang="fr"'), "`lang` is no attribute of `Patient`", "line 1", "Patient"),
    (patient('<active value="true"/>\n<active value="true"/>'), "`active` stands twice", "line 3", "Patient.active"),
    (patient('<gender value="male"/>\n<active value="true"/>'), "`active` stands out of order", "line 3", "Patient.active"),
    (patient('<name/><gender value="male"/>\n<name/>'), "`name` stands out of order", "line 3", "Patient.name[1]"),
    (patient("x"), "text stands outside an attribute", "line 1", "Patient"),
    (patient('<active value="true"/>x'), "text stands outside an attribute", "line 1", "Patient"),
    (patient('<active value="true">x</active>'), "text stands outside an attribute", "line 2", "Patient.active"),
    (patient("<!-- a -->\u00a0"), "text stands outside an attribute", "line 1", "Patient"),
    (patient("<contained>x<List/></contained>"), "text stands outside an attribute", "line 2", "Patient.contained[0]"),
    (patient("<contained><List/>x</contained>"), "text stands outside an attribute", "line 2", "Patient.contained[0]"),
    (patient("<![CDATA[x]]>"), "text stands outside an attribute", "line 1", "Patient"),
    (patient("<?php x ?>"), "a processing instruction is not allowed", "line 2", "Patient"),
    (patient("<contained><?php x ?><List/></contained>"), "a processing instruction is not allowed", "line 2", "Patient.contained[0]"),
    ("<?xml-stylesheet href='x'?>" + patient(""), "a processing instruction is not allowed", "line 1", None),
    (patient("") + "<?php x ?>", "a processing instruction is not allowed", "line 3", None),
    ("<Patient/>", "`Patient` is not of the namespace `http://hl7.org/fhir`", "line 1", None),
    ('<Patient xmlns="urn:hl7-org:v3"/>', "is not of the namespace", "line 1", None),
    (patient('<active xmlns="urn:x" value="true"/>'), "`active` is not of the namespace", "line 2", "Patient"),
    (f"<Patientt {NS}/>", "`Patientt` is no resource type", "line 1", None),
    (f"<DomainResource {NS}/>", "`DomainResource` is no resource type", "line 1", None),
    (f"<HumanName {NS}/>", "`HumanName` is no resource type", "line 1", None),
    (patient('<text><status value="generated"/>\n<div>x</div></text>'), "a narrative is a `div` of the XHTML namespace", "line 3", "Patient.text"),
    (patient('<text>\n<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div></text>'), "without a prefix", "line 3", "Patient.text.div"),
    (patient(f"<div {XHTML}/>"), "`div` is no element of `Patient`", "line 2", "Patient"),
    (patient(f"<text><div {XHTML}/>\n<div {XHTML}/></text>"), "`div` stands twice", "line 3", "Patient.text.div"),
    (patient(f'<multipleBirthInteger value="{"9" * 2000}"/>'), "this number is out of range", "line 2", "Patient.multipleBirth"),
    (f'<Observation {NS}><valueQuantity><value value="1e99999"/></valueQuantity></Observation>', "out of range", "line 1", "Observation.value.value"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason", "where", "path"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_what_is_no_strict_xml_of_a_resource_is_refused_and_the_place_named(text, reason, where, path):
    with pytest.raises(Problem) as refused:
        read(text.encode())

    issue = refused.value.issues[0]
    assert (400, "structure", path) == (refused.value.status, issue.code, issue.expression)
    assert reason in issue.text
    assert f"({where})" in issue.text


def nested(levels):
    """A resource whose JSON has this many objects and arrays in each other, an even number and one."""
    inner = {"url": "urn:x"}
    for _ in range((levels - 3) // 2):
        inner = {"url": "urn:x", "extension": [inner]}
    return {"resourceType": "Basic", "extension": [inner]}


@pytest.mark.parametrize("levels", [63, 65])
def test_a_resource_is_as_deep_in_xml_as_it_may_be_in_json(levels):
    resource = nested(levels)
    answers = []
    for read_, text in ((json_text.read, json_text.write(resource)), (read, write(resource))):
        try:
            answers.append(read_(text) == resource)
        except Problem as refused:
            answers.append(str(refused).partition(" (")[0])
    assert ([True, True] if levels <= 64 else ["more than 64 levels deep"] * 2) == answers


def test_an_array_may_be_one_level_too_deep_as_well():
    text = write({"resourceType": "Patient", "name": [{"given": ["a"]}]})
    assert read(text, 4)
    with pytest.raises(Problem, match="more than 3 levels deep"):
        read(text, 3)


@pytest.mark.parametrize(
    "unfit",
    [
        {},
        {"resourceType": "Nonsense"},
        {"resourceType": "Patient", "nom": "x"},
        {"resourceType": "Patient", "name": "x"},
        {"resourceType": "Patient", "name": [1]},
        {"resourceType": "Patient", "id": "a", "extension": [{"url": 1}]},
        {"resourceType": "Patient", "contained": [{"id": "a"}]},
        {"resourceType": "Patient", "text": {"div": "<div>"}},
        {"resourceType": "Patient", "text": {"div": "</text>"}},
    ],
)
def test_what_is_no_resource_has_no_xml_form(unfit):
    with pytest.raises(Problem) as refused:
        write(unfit)
    assert 406 == refused.value.status


def test_a_narrative_that_declares_itself_to_be_xml_is_cut_to_what_may_stand_inside():
    resource = {"resourceType": "Basic", "text": {"div": f'<?xml version="1.0"?><div {XHTML}>a</div>'}}
    assert f"<div {XHTML}>a</div>" == read(write(resource))["text"]["div"]


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"code": {"id": "a", "_id": {"id": "b"}}}, {"code": {"id": "a"}}),
        ({"code": {"_id": {"id": "b"}}}, {"code": {}}),
        ({"extension": [{"url": "urn:x", "_url": {"id": "b"}}]}, {"extension": [{"url": "urn:x"}]}),
        ({"text": {"id": "a", "_div": {"id": "b"}}}, {"text": {"id": "a"}}),
        ({"text": {"div": f"<div {XHTML}>a</div>", "_div": {"id": "b"}}}, {"text": {"div": f"<div {XHTML}>a</div>"}}),
        ({"text": {"div": f"<!-- a --> <div {XHTML}>a</div>\n"}}, {"text": {"div": f"<div {XHTML}>a</div>"}}),
    ],
)
def test_what_xml_has_no_place_for_is_left_out_and_spoils_no_answer(more, left):
    """An attribute and a narrative have nothing beside them, in FHIR's XML."""
    assert {"resourceType": "Basic", **left} == read(write({"resourceType": "Basic", **more}))
