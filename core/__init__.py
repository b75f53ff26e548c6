"""The floor under every room: settings, clock, errors, pure rules, storage, broker.

Nothing here knows that a room (api, sender, sandbox, ...) exists.
"""
