"""Operations: https://hl7.org/fhir/R4/operations.html, a table of them and one file each. Nothing lives here."""
