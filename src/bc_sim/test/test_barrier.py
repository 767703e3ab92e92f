from bc_sim.barrier import TickBarrier

TICK = 50_000_000


def test_nobody_to_wait_for_never_closes() -> None:
    barrier = TickBarrier([])
    assert not barrier.unheard
    assert barrier.waiting_for(TICK) == []


def test_opens_when_all_have_done_the_tick() -> None:
    barrier = TickBarrier(["teleop", "recorder"])
    assert barrier.waiting_for(TICK) == ["teleop (not heard of yet)", "recorder (not heard of yet)"]
    barrier.tick_done("teleop", TICK, 0)
    assert barrier.unheard == ["recorder"]
    barrier.tick_done("recorder", TICK, 0)
    assert not barrier.unheard
    assert barrier.waiting_for(TICK) == []


def test_an_old_tick_done_does_not_open_the_next_tick() -> None:
    barrier = TickBarrier(["teleop"])
    barrier.tick_done("teleop", TICK, 0)
    assert barrier.waiting_for(2 * TICK) == ["teleop"]


def test_who_says_to_be_there_is_waited_for() -> None:
    barrier = TickBarrier(["teleop"])
    barrier.tick_done("teleop", 0, 0)
    assert not barrier.unheard
    assert barrier.waiting_for(TICK) == ["teleop"]


def test_waits_for_the_announced_chunk_in_either_order() -> None:
    barrier = TickBarrier(["teleop"])
    barrier.tick_done("teleop", TICK, 7)
    barrier.chunk_arrived("teleop", 6)
    assert barrier.waiting_for(TICK) == ["chunk 7 of teleop"]
    barrier.chunk_arrived("teleop", 7)
    assert barrier.waiting_for(TICK) == []
    barrier.chunk_arrived("teleop", 8)
    barrier.tick_done("teleop", 2 * TICK, 8)
    assert barrier.waiting_for(2 * TICK) == []


def test_chunks_of_others_do_not_count() -> None:
    barrier = TickBarrier(["teleop"])
    barrier.tick_done("teleop", TICK, 1)
    barrier.chunk_arrived("chunk_scheduler", 1)
    assert barrier.waiting_for(TICK) == ["chunk 1 of teleop"]


def test_a_restarted_participant_counts_from_its_new_beginning() -> None:
    barrier = TickBarrier(["teleop"])
    barrier.chunk_arrived("teleop", 90)
    barrier.tick_done("teleop", TICK, 90)
    barrier.chunk_arrived("teleop", 1)
    barrier.tick_done("teleop", 2 * TICK, 2)
    assert barrier.waiting_for(2 * TICK) == ["chunk 2 of teleop"]


def test_a_stranger_is_told_apart() -> None:
    assert not TickBarrier(["teleop"]).tick_done("inspector", TICK, 0)
