// The table of modes (docs/protocol.md, "Modes") as pure functions.
#pragma once

#include <optional>

#include "bc_controllers/types.hpp"

namespace bc {

// The mode a request leads to, or nothing when the table does not hold it. STOP in STOPPED stays there.
std::optional<Mode> requested_mode(Mode mode, std::uint8_t request);
// Whether the table lets a valid human chunk lead from this mode to HUMAN.
bool human_may_take_over(Mode mode);
// Whether a source commands in a mode (the lease among humans aside).
bool commands_in(Source source, Mode mode);

}  // namespace bc
