"""Search: a query string becomes a predicate, a resource becomes what a predicate is asked of.

Knows the definitions and the foundation, and nothing of the store, consents or HTTP. One file per search type holds
both halves, what is indexed and what is asked (https://hl7.org/fhir/R4/search.html).
"""
