"""The papers' figures, drawn from the records that experiments leave behind; nothing is computed here."""
