"""Figures of report.json. Null: not measured in this run; `notes` says why.

Units are in the names; ticks are those of the contract's grid. "Chunk" means a policy chunk that the controller
acknowledged as in force; times are those of the robot's ROS clock. pN is the N-th percentile (linear interpolation).

trials: number of trials per mode: the smallest over the modes that were run. A trial is one recorded roll-out that
  ended in success or failure; running out of time is a failure. Aborted or unlabelled bags are not trials (see
  left_out), nor is a second run of the same seed.
trials_by_mode.MODE: the same for each mode.
paired_trials: seeds that every mode with trials has run.
success.MODE: successful trials / trials, 0 ... 1.
success_interval.MODE: its 95 % Wilson score interval [low, high].
paired.MODE: rtc compared with MODE over the seeds that both ran. difference: success rate of rtc less that of MODE;
  low, high: its 95 % interval (Newcombe 1998, method 10, for paired proportions); only_rtc, only_other: seeds at which
  one alone succeeded; p_value: exact two-sided McNemar test; pairs: number of seeds.
delay_ticks: over all chunks of all rtc trials, the first of each epoch included.
delay_ticks.estimated_p50: p50 of d_hat, the delay for which the chunk was made: its frozen rows less one.
delay_ticks.measured_p50, delay_ticks.measured_p99, delay_ticks.measured_max: of d = k_effect - k_obs, where k_effect
  is the first tick at or after ChunkAck.effective and k_obs the tick of the observation (the stamp of the chunk).
delay_ticks.underestimated_share: share of chunks with d > d_hat.
delay_ticks.chunks: number of chunks.
raw_jump.MODE: distance between the new and the old reference where a chunk takes over, before any smoothing or limit
  [rad], Euclidean norm over the arm's joints, over all chunks of all trials of the mode.
raw_jump.MODE.at_effect_p99: p99 of ChunkAck.raw_jump: new less old reference at the very moment of effect, as the
  controller measured it. The first chunk of an epoch counts too, against the reference that was held.
raw_jump.MODE.at_effect_max: the largest of them.
raw_jump.MODE.at_row_d_p99: p99 of new less old row at the first row of the new chunk that is neither frozen nor
  already past, max(frozen, d). Chunks without such an old row (the first of an epoch, or after starvation) are left
  out.
raw_jump.MODE.residual_at_row_d_p99: the same for the chunk as it was sampled, before the scheduler spliced it to the
  prefix (rtc; in the other modes nothing is spliced and the two are equal).
raw_jump.MODE.chunks: chunks that count for at_effect.
raw_jump.MODE.chunks_with_row_d: chunks that count for at_row_d.
raw_jump.demonstrations_step_p99: what is normal: p99 of the one-tick step of the reference in force in the
  demonstrations, same norm [rad]; changes of chunk are included.
controller: from the last ControllerStatus of the rtc trials. Its counters run since the controller's start, so one
  status speaks for all trials of a start, the pauses between them included; where the controller was started anew
  between trials, each start gives one status, counts are added up, and of anything else the worst is taken.
controller.rate_hz: update rate, lowest of all starts [Hz].
controller.late_p99_us, controller.late_max_us: how late periods began, highest of all starts.
controller.late_over_1ms: periods that began more than 1 ms late, sum.
controller.periods: control periods, sum.
controller.on_time_share: share of periods that began at most 1 ms late.
controller.update_us_p50, controller.update_us_p99: duration of one controller update, highest of all starts.
controller.timer_on_time_share, controller.timer_late_max_us: the same of a thread of the control loop's priority that
  wakes up every millisecond and does nothing, measured before the roll-outs on the idle machine: what this machine
  allows.
controller.starts: how often the controller was started.
realtime_factor: control time over wall time in the same statuses, lowest.
starved_ticks.MODE: ticks in mode POLICY at which the chunk in force had no row left, sum over trials, from chunks,
  acknowledgements and modes in the bag; ticks before the first chunk of an epoch are not counted.
starved_holds.MODE: times that the controller fell from POLICY to HOLD because it was starved, sum over trials.
chunks_refused.MODE: refused chunks by reason, sum over trials.
tracking_rms_rad.MODE: root mean square over time, joints and trials of reference less measured position.
torque_peak_nm.MODE: largest commanded joint torque, absolute.
messages_lost: messages known to be missing from the bags of the trials.
episodes: demonstrations recorded.
episodes_successful: those among them that ended in success.
train_seconds: duration of the training, from the summary beside the checkpoint.
commit: commit of the source tree that wrote this report; "-dirty" where it had changes.
targets: figures that this system is to reach, with the measured value and whether it does.
left_out: bags that are not trials, and why.
notes: what could not be measured, and why.
definitions: this text.
"""

import inspect
import re
import sys

_ENTRY = re.compile(r"((?:[A-Za-z_0-9.]+, )*[A-Za-z_0-9.]+): (.+)")


def definitions() -> dict[str, str]:
    """Figure -> definition, from this module's docstring; `MODE` stands for each mode."""
    text = inspect.getdoc(sys.modules[__name__]) or ""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        if match := _ENTRY.fullmatch(line):
            names = match[1].split(", ")
            found |= dict.fromkeys(names, match[2])
        elif line.startswith("  "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
