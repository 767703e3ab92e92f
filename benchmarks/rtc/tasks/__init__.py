"""The benchmark's tasks by name."""

from benchmarks.rtc.tasks.balance import Balance
from benchmarks.rtc.tasks.base import Task
from benchmarks.rtc.tasks.catch import Catch
from benchmarks.rtc.tasks.conveyor import Conveyor
from benchmarks.rtc.tasks.pusht import PushT
from benchmarks.rtc.tasks.slalom import Slalom

TASKS: dict[str, Task] = {task.name: task for task in (Slalom(), Catch(), Balance(), Conveyor(), PushT())}
