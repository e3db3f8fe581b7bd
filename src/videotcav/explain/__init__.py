"""Mathematics on tensors: Gram blocks, CAVs, scores, tests, CAMs. No files, no models, no printing."""
