/* The second word of a request line: its path and its query. */
#ifndef LOSSD_TARGET_H
#define LOSSD_TARGET_H

#include "loss.h"

struct target {
	const char *text; /* as it was sent */
	const char *path; /* decoded, not terminated */
	size_t n_path;
	const char *query; /* raw, without the '?' */
	size_t n_query;
	bool has_nul; /* the path has a percent-encoded NUL */
	/* Of the absolute form, in the arena; NULL of the others. It stands in Host's place (RFC
	 * 9112, section 3.2.2). */
	const char *authority;
};

/* The authority of the absolute form, of n bytes; NULL: the target has another form. */
const char *target_authority(const char *text, size_t *n);
/* In the arena; false when there is no memory. */
bool target_split(const char *text, struct loss_arena *arena, struct target *target);

#endif
