"""Foundation: values every floor speaks in. Knows no FHIR, does no I/O, imports the standard library only."""
