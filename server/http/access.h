/* Who may ask, by what a request's head says of where it comes from: its Host, against names that
 * are made to point here, and its Origin, against pages of others. Pure functions. */
#ifndef LOSSD_ACCESS_H
#define LOSSD_ACCESS_H

#include "head.h"
#include "settings/config.h"

/* STATUS_FORBIDDEN when the Host is not one of the setting hosts. HTTP/1.0 may come without one,
 * which no browser's page can do. */
loss_status access_check_host(const struct head *head, const struct config *config,
			      struct loss_error *err);
/* The origin of a foreign page, as cors_is_foreign has it, or NULL. */
const char *access_foreign_origin(const struct head *head, const struct config *config);
/* STATUS_FORBIDDEN for a foreign page. Pages may evaluate, but what else a POST to `path` does is
 * not for those that could not even read the reply. */
loss_status access_check_origin(const struct head *head, const struct config *config,
				const char *path, struct loss_error *err);

#endif
