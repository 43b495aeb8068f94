"""The `longhaul` command, and the functions by which any program starts and steers runs."""
