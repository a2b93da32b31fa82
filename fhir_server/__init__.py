"""France's shared medical record (DMP) as an HL7 FHIR R4 (4.0.1) exchange: the holder decides, the server obeys."""

__version__ = "0.1.0"
