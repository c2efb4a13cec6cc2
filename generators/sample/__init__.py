"""Made-up archives in the raw formats, for trying out the project without a download."""
