"""Pictures that are made: deformed, drawn and rendered digits, and what is no digit."""
