"""Files that leave by HTTP: ranges, validators, archives and streams, in bounded memory. It knows no rows."""
