"""The annotation server: pages for raters and the admin over a project's folder."""
