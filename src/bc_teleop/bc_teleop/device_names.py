"""Names of the devices: `device` of teleop_node, of its settings files, of the launch files and of the commands."""

EXPERTS = ("scripted", "intervening")
STICKS = ("joy", "gamepad", "spacemouse", "browser")
KEYBOARD = "keyboard"  # reads the terminal that teleop_node runs in: no launch file can start it
HANDS = (*STICKS, "leader", KEYBOARD)  # people
DEVICES = (*EXPERTS, *HANDS)
