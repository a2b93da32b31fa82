"""The sandbox: synthetic people, records and clients for integrators, on loopback only.

May live here: all that `serve --sandbox` adds, and nothing that a server without it would ever import.
May not live here: a shortcut around the rules; what the sandbox hands out is made by the same code as anywhere.
"""
