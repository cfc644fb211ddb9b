"""Keep the trials of a search: in memory, in a folder, in a database."""
