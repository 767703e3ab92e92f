"""Names of the devices: `device` of teleop_node, of its settings files and of the launch files."""

EXPERTS = ("scripted", "intervening")
STICKS = ("joy", "gamepad", "spacemouse", "browser")
HANDS = (*STICKS, "leader")  # people, with what needs no terminal
DEVICES = (*EXPERTS, *HANDS, "keyboard")
