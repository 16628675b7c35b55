"""A clip store to look at: contact sheets and a page with everything in it."""
