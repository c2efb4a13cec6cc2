"""Made-up archives in the raw formats, for trying everything out without a download."""
