"""The launch file of DAgger rounds, with the scripted operator as the human."""

from pathlib import Path

from bc_core.contract import Contract
from bc_core.dagger.labels import interventions, parts
from bc_core.dataset import read_episode
from bc_msgs.msg import ControlMode, EpisodeOutcome
from bc_msgs.srv import ChangeMode
from takeover_rig import CONFIG, launched

HOLD, POLICY, HUMAN = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN


def test_the_scripted_operator_corrects_and_resumes_under_the_dagger_launch_file(tmp_path: Path) -> None:
    with launched(tmp_path, "dagger", "intervening") as graph:
        path = Path(graph.start_episode(seed=2))
        graph.call(ChangeMode, "controller/change_mode", request=ChangeMode.Request.RESUME)
        graph.until_mode(POLICY)
        graph.modes[:] = graph.modes[-1:]
        graph.until(lambda: HUMAN in [m.mode for m in graph.modes])
        graph.until(lambda: graph.modes[-1].mode == POLICY or (graph.mode == HOLD and graph.task_decided))
        graph.stop_episode(EpisodeOutcome.SUCCESS)
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
    ticks = read_episode(path, contract, ("arm",), 1)
    found = interventions(ticks)
    assert found and found[0].ticks > 10
    label = parts(ticks, before=4)
    first = found[0].first - ticks.first_tick
    assert set(label[first - 4 : first]) <= {"before", ""} and "before" in label[first - 6 : first]
