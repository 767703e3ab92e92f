"""The chunk scheduler: Algorithm 1 (arXiv 2506.07339) as a state machine over ticks, answers and acknowledgements.

Rules and numbers: docs/protocol.md, "Scheduling". Time enters as ticks and nanoseconds given by the caller; nothing
here reads a clock. One request is open at a time, so loss, duplication and reordering of messages are harmless:
whatever does not belong to the open request is dropped and counted.
"""

from dataclasses import dataclass

import numpy as np

from bc_core.averaging import averaged, commands
from bc_core.chunks import ActionGroup, Array, joint_columns
from bc_core.cycle import Counters, Cycle, Delivery, Request, SchedulerConfig, State
from bc_core.delay import DelayEstimator
from bc_core.errors import BcError
from bc_core.grid import Grid
from bc_core.mask import Mask
from bc_core.splice import splice
from bc_core.strategies.ensembling import Ensemble
from bc_core.strategies.registry import Chaining


@dataclass(frozen=True)
class _InForce:
    tick: int
    actions: Array
    rows: int  # executed rows after which the next request is due
    votes: Ensemble | None


def check_delay(config: SchedulerConfig, estimator: DelayEstimator) -> None:
    """BcError if the first delay estimate does not fit the horizon."""
    if config.strategy.freezes and estimator.estimate > config.largest_delay:
        raise BcError(
            f"the first delay estimate is {estimator.estimate} ticks, but a horizon of {config.horizon} rows and"
            f" s_min {config.s_min} admit {config.largest_delay}: lower delay_init or s_min, or train longer chunks"
        )


class Scheduler:
    """State machine of one robot's policy chunks.

    groups: the columns of a row; jumps are measured over the joints [rad]. BcError if the first delay estimate does
    not fit the horizon.
    """

    def __init__(
        self, config: SchedulerConfig, grid: Grid, estimator: DelayEstimator, groups: tuple[ActionGroup, ...]
    ) -> None:
        self.config = config
        self.grid = grid
        self.estimator = estimator
        self.groups = groups
        self.counters = Counters()
        self.message = ""  # the last irregularity; empty after a chunk came into force
        self.last: Cycle | None = None
        self._epoch: int | None = None  # of the POLICY mode we are in; None: not in POLICY
        self._tick: int | None = None  # the last one
        self._history = 0  # ticks seen in this mode: a frame holds nothing from before it
        self._current: _InForce | None = None
        self._request: Request | None = None
        self._delivery: Delivery | None = None
        self._unconfirmed: dict[int, Delivery] = {}  # given up waiting for: a late verdict still counts
        self._sent_at = 0  # tick of the last request or delivery
        self._not_before = 0  # tick before which nothing is asked: back-off
        self._backoff = 1
        self._sequence = 0
        self._inference_seconds = 0.0
        self._warm = False
        check_delay(config, estimator)

    @property
    def epoch(self) -> int | None:
        """Of the POLICY mode that chunks are made for; None: not in POLICY."""
        return self._epoch

    @property
    def state(self) -> State:
        if self._epoch is None:
            return State.IDLE
        if self._request is not None:
            return State.INFERRING
        return State.DELIVERING if self._delivery is not None else State.WAITING

    def on_mode(self, policy: bool, epoch: int) -> None:
        """The controller changed mode. policy: the new mode is POLICY. Everything of the old epoch is forgotten."""
        self._epoch = epoch if policy else None
        self._forget()

    def reconfigure(self, config: SchedulerConfig, estimator: DelayEstimator) -> None:
        """Take other numbers from the next request on."""
        self.config, self.estimator = config, estimator

    def switch(self, config: SchedulerConfig, estimator: DelayEstimator) -> None:
        """Chain the chunks of another policy, whose numbers these are. Not in POLICY: no epoch has two policies."""
        if self._epoch is not None:
            raise BcError("the policy cannot change while it drives: ask for HOLD first")
        self.reconfigure(config, estimator)
        self._forget()
        self.last, self.message = None, ""
        self._warm = False

    def _forget(self) -> None:
        self._history = 0
        self._current = self._request = self._delivery = None
        self._unconfirmed.clear()
        self._not_before, self._backoff = 0, 1

    def on_tick(self, tick: int, reference: Array) -> Request | None:
        """A tick begins. reference: (D,) the controller's reference now. Returns a request if one is due."""
        if self._tick is not None and tick < self._tick:
            self._forget()
            self.counters.clock_jumps += 1
            self.message = (
                f"the clock went back from tick {self._tick} to {tick}: begun anew; see what sets it (time"
                " synchronisation, a bag in a loop, a simulation that was reset)"
            )
        self._tick = tick
        if self._epoch is None:
            return None
        self._history += 1
        if self._history < self.config.n_obs_steps:
            return None
        starved = self._current is not None and tick > self._current.tick + self.config.horizon - 1
        if starved:
            self.counters.starved_ticks += 1
            self.message = (
                f"starved at tick {tick}: the chunk in force has no row left: see why policy_node does not answer, or"
                " lower its latency or s_min"
            )
        self._expire(tick)
        if self._request is not None or self._delivery is not None or tick < self._not_before:
            return None
        if self._current is not None and not starved and tick - self._current.tick < self._current.rows:
            return None
        self._request = self._make_request(tick, reference, None if starved else self._current)
        self._sent_at = tick
        self.counters.requests += 1
        return self._request

    def on_answer(self, sequence: int, actions: Array, inference_seconds: float, now_ns: int) -> Delivery | None:
        """policy_node answered a request. actions: (H, D). Returns the chunk to publish, None if it is not wanted."""
        request = self._request
        if request is None or request.sequence != sequence:
            self.counters.dropped += 1
            return None
        if actions.shape[0] != self.config.horizon:
            raise BcError(
                f"the policy answered {actions.shape[0]} rows, but the scheduler runs {self.config.horizon}:"
                " start both with the same checkpoint"
            )
        tick, frozen, sampled = request.tick, request.frozen, actions
        votes = None
        if self.config.strategy.chaining is Chaining.STAND:
            tick, actions = self.grid.ceil(now_ns), self._cut(actions)
        elif self.config.strategy.chaining is Chaining.AVERAGE:
            votes = self._vote(tick, sampled)
            actions = commands(votes, self.groups)
        elif request.prefix is not None:
            actions = splice(sampled, request.prefix, frozen, request.execution_horizon, self.groups)
        self._request = None
        self._inference_seconds = inference_seconds
        self._delivery = Delivery(self._next_sequence(), tick, request.epoch, frozen, actions, sampled, request, votes)
        self._sent_at = self.grid.floor(now_ns)
        return self._delivery

    def on_failure(self, sequence: int, detail: str, tick: int) -> None:
        """policy_node could not answer a request; asked again after a back-off."""
        if self._request is None or self._request.sequence != sequence:
            self.counters.dropped += 1
            return
        self._request = None
        self.counters.failed += 1
        self._retreat(tick, detail)

    def on_ack(self, sequence: int, in_force: bool, effective_ns: int, raw_jump: float, detail: str = "") -> None:
        """The controller's verdict on a delivered chunk. effective_ns: time from which its rows are sampled."""
        delivery = self._take_delivery(sequence)
        if delivery is None:
            self.counters.dropped += 1
            return
        request = delivery.request
        if not in_force:
            self.counters.refused += 1
            self.message = f"chunk {sequence} refused: {detail or 'the controller does not say why: see its log'}"
            return
        delay = self.grid.ceil(effective_ns) - request.tick
        if self._warm:
            self.estimator.observe(delay)
        self._warm = True  # the first chunk pays for cold caches: its delay says nothing about the next
        self.last = Cycle(
            sequence=request.sequence,
            delay_estimated=request.delay_estimated,
            delay_measured=delay,
            execution_horizon=request.execution_horizon,
            frozen=request.frozen,
            inference_seconds=self._inference_seconds,
            observation_age=(effective_ns - self.grid.time(request.tick)) / 1e9,
            raw_jump_at_effect=raw_jump,
            raw_jump_at_row_d=self._jump_at_row_d(delivery, delivery.actions, delay),
            residual_at_row_d=self._jump_at_row_d(delivery, delivery.sampled, delay),
        )
        self._follow(delivery)
        self._backoff = 1
        self.message = ""

    def on_in_force(self, sequence: int) -> None:
        """The controller says which chunk it follows: makes up for an acknowledgement that was lost."""
        if sequence in self._unconfirmed and (delivery := self._take_delivery(sequence)):
            self._follow(delivery)

    def _follow(self, delivery: Delivery) -> None:
        self._request = None  # one that is open was made in the belief that another chunk, or none, was in force
        self._current = _InForce(delivery.tick, delivery.actions, self._rows_until_next(), delivery.votes)

    def _vote(self, tick: int, chunk: Array) -> Ensemble:
        """The chunk and all those before it that came into force; one that was lost or refused has no vote."""
        current = self._current
        if current is None:
            return averaged(None, 0, chunk, self.groups)
        return averaged(current.votes, tick - current.tick, chunk, self.groups)

    def _take_delivery(self, sequence: int) -> Delivery | None:
        """The delivery that a verdict is about, no longer awaited; None if it is nobody's."""
        if self._delivery is not None and self._delivery.sequence == sequence:
            delivery, self._delivery = self._delivery, None
            return delivery
        return self._unconfirmed.pop(sequence, None)

    def _make_request(self, tick: int, reference: Array, current: _InForce | None) -> Request:
        assert self._epoch is not None
        delay = self._feasible_delay()
        if delay < self.estimator.estimate:
            self.counters.infeasible += 1
            self.message = (
                f"estimated delay {self.estimator.estimate} ticks does not fit a horizon of {self.config.horizon} rows:"
                f" {delay} used: make inference faster, lower s_min, or train longer chunks"
            )
        sequence = self._next_sequence()
        strategy = self.config.strategy
        if strategy.mask is Mask.FREE or (current is None and strategy.mask is Mask.COHERENT):
            executed = tick - current.tick if current is not None else 0
            return Request(sequence, tick, self._epoch, Mask.FREE, 0, executed, delay, None)
        if current is None:
            prefix = np.repeat(reference[None, :], delay + 1, axis=0)
            s = max(delay, self.config.s_min)
            return Request(sequence, tick, self._epoch, Mask.HARD, delay + 1, s, delay, prefix)
        executed = tick - current.tick
        prefix = current.actions[executed:]
        frozen = min(delay + 1, prefix.shape[0]) if strategy.freezes else 0
        return Request(sequence, tick, self._epoch, strategy.mask, frozen, executed, delay, prefix)

    def _feasible_delay(self) -> int:
        return min(self.estimator.estimate, self.config.largest_delay)

    def _rows_until_next(self) -> int:
        if self.config.strategy.chaining is Chaining.STAND:
            return self.config.s_min
        return max(self._feasible_delay(), self.config.s_min)

    def _cut(self, actions: Array) -> Array:
        """Keep rows 0 ... s_min and stand on the last of them: an explicit command to wait is no starvation."""
        last = min(self.config.s_min, actions.shape[0] - 1)
        return np.concatenate([actions[:last], np.repeat(actions[last : last + 1], actions.shape[0] - last, axis=0)])

    def _jump_at_row_d(self, delivery: Delivery, actions: Array, delay: int) -> float:
        """`actions` less old at the first row in force that is no repetition, norm over the joints [rad]."""
        row = max(delivery.frozen, delay if delivery.tick == delivery.request.tick else 0)
        old = self._current
        if old is None or row >= actions.shape[0]:
            return float("nan")
        old_row = delivery.tick + row - old.tick
        if not 0 <= old_row < old.actions.shape[0]:
            return float("nan")
        return float(np.linalg.norm((actions[row] - old.actions[old_row])[joint_columns(self.groups)]))

    def _expire(self, tick: int) -> None:
        if self._request is not None and tick - self._sent_at >= self.config.answer_timeout:
            sequence, self._request = self._request.sequence, None
            self.counters.timeouts += 1
            why = f"request {sequence} was not answered within {self.config.answer_timeout} ticks"
            self._retreat(tick, f"{why}: is policy_node active?")
        if self._delivery is not None and tick - self._sent_at >= self.config.ack_timeout:
            sequence = self._delivery.sequence
            self._unconfirmed[sequence], self._delivery = self._delivery, None
            self.counters.timeouts += 1
            why = f"chunk {sequence} was not acknowledged within {self.config.ack_timeout} ticks"
            self._retreat(tick, f"{why}: does the controller run and hear command/policy?")

    def _retreat(self, tick: int, why: str) -> None:
        self.message = why
        self._not_before = tick + self._backoff
        self._backoff = min(2 * self._backoff, self.config.max_backoff)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
