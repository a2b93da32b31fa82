"""France, as data: the access matrix, the words and durations of the rules, the codes; `SOURCES.md` says from where."""
