"""Videos in, candidate clips and their twins out."""
