"""`make pictures`: every page in both languages, light and dark, at 390 and 1280 pixels, with contact sheets."""
