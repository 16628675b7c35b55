"""Withdrawal of consent: everything of one subject under some folders, found and removed."""
