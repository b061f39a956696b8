"""One part a file: `measure` runs it and gives its rows and figures."""
