"""Device adapters: every one turns what a hand does into a DeviceCommand."""
