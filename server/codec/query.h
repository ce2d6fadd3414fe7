/* The query string of an evaluation: arguments by name, outputs repeated or comma-separated. */
#ifndef LOSSD_CODEC_QUERY_H
#define LOSSD_CODEC_QUERY_H

#include "style.h"

/* What it says of the reply. */
struct query_wish {
	bool compress; /* binary tensors, too */
	struct style style;
};

/*
 * Reads the raw (still percent-encoded) text, n bytes without the '?', and sets what it names on
 * problem, and *wish. invalid_query: bad percent-encoding, or a part without a name; unknown_field,
 * duplicate_field, wrong_type as for a body. A tensor's name is an unknown_field here. Booleans are
 * true|false|True|False|1|0; numbers have JSON's syntax, or NaN / Infinity.
 */
loss_status query_apply(const char *text, size_t n, struct loss_problem *problem,
			struct loss_arena *arena, struct query_wish *wish, struct loss_error *err);

#endif
