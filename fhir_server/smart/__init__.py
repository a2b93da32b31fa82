"""SMART: who is asking? The OAuth 2.0 and OpenID Connect server, and what its tokens mean.

May live here: clients, people who sign in, tokens, scopes (https://hl7.org/fhir/smart-app-launch/STU2.2/). May not
know: Flask (pages and addresses are `http/`), what may be seen of a record (`consent/`), who else is in the house: what
it needs of others it is given by whoever wires it (`server.build`).
"""
