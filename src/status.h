/* Propagation of errors inside the library. The table itself is in loss/status.h. */
#ifndef LOSS_STATUS_H
#define LOSS_STATUS_H

#include "loss.h"

/* The only macro that hides control flow: hands the first error to the caller. */
#define TRY(call)                                                                                  \
	do {                                                                                       \
		loss_status try_status_ = (call);                                                  \
		if (try_status_ != LOSS_OK)                                                        \
			return try_status_;                                                        \
	} while (0)

/* Adds the place inside `shape` (rank dimensions) that the flat, row-major index names. */
void loss_error_set_index(struct loss_error *err, size_t flat_index, const size_t *shape, int rank);

#endif
