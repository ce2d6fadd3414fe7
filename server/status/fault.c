#include "fault.h"

struct loss_error *fault_claim(struct fault *fault, loss_status status)
{
	return status_precedes(status, fault->error.status) ? &fault->error : NULL;
}

void fault_note(struct fault *fault, loss_status status, const struct loss_error *err)
{
	struct loss_error *kept = status == LOSS_OK ? NULL : fault_claim(fault, status);
	if (kept)
		*kept = *err;
}

void fault_note_memory(struct fault *fault, const struct loss_arena *arena)
{
	struct loss_error err;
	fault_note(fault, loss_arena_failure(arena, &err), &err);
}

bool fault_is_fatal(const struct fault *fault)
{
	return status_precedes(fault->error.status, STATUS_EMPTY_BODY);
}

loss_status fault_report(const struct fault *fault, struct loss_error *err)
{
	if (err && fault->error.status != LOSS_OK)
		*err = fault->error;
	return fault->error.status;
}
