"""From sessions and videos to clip stores, and the commands that span the packages."""
