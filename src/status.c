#include "status.h"

#include <stdarg.h>
#include <stdio.h>

static const struct loss_status_words status_table[LOSS_N_STATUS] = {
#define STATUS_ROW(name, code, title, help) [name] = {code, title, help},
	LOSS_STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

const struct loss_status_words *loss_status_info(loss_status status)
{
	return status >= 0 && status < LOSS_N_STATUS ? &status_table[status] : NULL;
}

loss_status loss_fail(struct loss_error *err, loss_status status, const char *field,
		      const char *format, ...)
{
	if (!err)
		return status;
	err->status = status;
	err->has_index = false;
	err->more = NULL;
	snprintf(err->field, sizeof err->field, "%s", field ? field : "");
	va_list args;
	va_start(args, format);
	vsnprintf(err->detail, sizeof err->detail, format, args);
	va_end(args);
	return status;
}

void loss_error_set_index(struct loss_error *err, size_t flat_index, const size_t *shape, int rank)
{
	if (!err)
		return;
	err->has_index = true;
	err->flat_index = flat_index;
	err->index_rank = rank;
	for (int axis = rank - 1; axis >= 0; axis--) {
		err->index[axis] = flat_index % shape[axis];
		flat_index /= shape[axis];
	}
}
