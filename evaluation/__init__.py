"""How well it learned: reads run folders and arrays, and imports none of our other rooms."""
