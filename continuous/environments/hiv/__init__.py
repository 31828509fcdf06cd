"""HIV treatment: two drugs against an infection, MOPO's task outside robotics (the HIV experiment of its appendix)."""
