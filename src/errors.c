#include "errors.h"

#include "arena.h"

struct loss_error *errors_place(struct errors *errors)
{
	if (errors->n == 0)
		return errors->first;
	if (!errors->spare && errors->first && errors->n < LOSS_MAX_ERRORS)
		errors->spare = loss_arena_array(errors->arena, struct loss_error, 1);
	return errors->spare;
}

void errors_note(struct errors *errors, loss_status status)
{
	if (status == LOSS_OK)
		return;
	if (errors->n == 0) {
		errors->status = status;
		errors->end = errors->first ? &errors->first->more : NULL;
	} else if (errors->spare) {
		*errors->end = errors->spare;
		errors->end = &errors->spare->more;
		errors->spare = NULL;
	}
	errors->n++;
}
