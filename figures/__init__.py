"""The papers' figures and tables, from records of experiments and from run directories; nothing is trained here."""
