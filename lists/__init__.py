"""Lists with pages: what every list of Slipway shares, whichever app it is of."""
