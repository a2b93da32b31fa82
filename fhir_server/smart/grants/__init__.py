"""Grants: one file per way to a token, on Authlib's own (https://docs.authlib.org/en/latest/oauth2/)."""
