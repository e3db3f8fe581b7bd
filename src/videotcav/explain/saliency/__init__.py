"""Maps of where and when, and whether they are true."""
