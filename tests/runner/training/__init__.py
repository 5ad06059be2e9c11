"""In the place of the public cookbook: a recipe that speaks its four files, with no dependency."""
