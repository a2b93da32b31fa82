"""Store: MongoDB, and the one door to what it holds. Knows predicates, not consents."""
