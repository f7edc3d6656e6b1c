"""A ranking to look at: as HTML in notebooks, as a table in terminals, as a picture."""
