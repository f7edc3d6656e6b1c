"""The demo: an application on top of the core and both adapters. The core knows nothing of it."""
