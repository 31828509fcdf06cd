"""DAMO (dual alignment maximin optimization), deep."""
