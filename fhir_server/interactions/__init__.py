"""Interactions: FHIR over values (https://hl7.org/fhir/R4/http.html). No Flask, no MongoDB."""
