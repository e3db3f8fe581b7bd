"""Lists of clips that people hold, in the forms that data sets and training code have."""
