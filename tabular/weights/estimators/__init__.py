"""Estimators of the marginal importance weights from exact expectations or data.  Source: theory.md, section 7."""
