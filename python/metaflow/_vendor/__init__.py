"""`metaflow._vendor`: packages that Metaflow carries inside; here the installed ones."""
