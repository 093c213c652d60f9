"""Made-up images to try everything on, and what the programs that draw them share."""
