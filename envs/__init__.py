"""Which worlds there are."""
