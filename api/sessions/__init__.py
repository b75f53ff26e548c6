"""Signing in, staying signed in, signing out; the keys that tokens are checked with."""
