#include "status.h"

/*
 * Both tables, in order of precedence: where a request is wrong in several ways, the first row that
 * applies is reported. Errors of the library whose words are other ones on the wire have them here.
 */
#define STATUS_LIST(AS_IS, IN_WORDS)                                                               \
	AS_IS(LOSS_OK, 200)                                                                        \
	AS_IS(STATUS_INTERNAL_ERROR, 500)                                                          \
	AS_IS(STATUS_DRAINING, 503)                                                                \
	IN_WORDS(LOSS_OUT_OF_MEMORY, 503, "out_of_memory", "An allocation failed",                 \
		 "The machine had no memory left for this request. It was not evaluated; send "    \
		 "it again later.")                                                                \
	IN_WORDS(LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, 429, "too_much_memory_in_flight",                 \
		 "Too much memory in flight",                                                      \
		 "The requests being served hold the whole memory budget "                         \
		 "(memory_budget_bytes). Send the request again after Retry-After.")               \
	AS_IS(STATUS_QUEUE_FULL, 429)                                                              \
	AS_IS(STATUS_FORBIDDEN, 403)                                                               \
	AS_IS(STATUS_UNKNOWN_PATH, 404)                                                            \
	AS_IS(STATUS_UNKNOWN_LOSS, 404)                                                            \
	AS_IS(STATUS_METHOD_NOT_ALLOWED, 405)                                                      \
	AS_IS(STATUS_UNAUTHORIZED, 401)                                                            \
	AS_IS(STATUS_RATE_LIMITED, 429)                                                            \
	AS_IS(STATUS_INVALID_HEADER, 400)                                                          \
	AS_IS(STATUS_LENGTH_REQUIRED, 411)                                                         \
	AS_IS(STATUS_EXPECTATION_FAILED, 417)                                                      \
	AS_IS(STATUS_UNSUPPORTED_MEDIA_TYPE, 415)                                                  \
	AS_IS(STATUS_UNSUPPORTED_ENCODING, 415)                                                    \
	AS_IS(STATUS_NOT_ACCEPTABLE, 406)                                                          \
	AS_IS(STATUS_BODY_TOO_LARGE, 413)                                                          \
	IN_WORDS(LOSS_TOO_LARGE_FOR_BUDGET, 413, "too_large_for_server",                           \
		 "The problem can never fit this server",                                          \
		 "The request or its reply needs more memory than the server's whole budget "      \
		 "(memory_budget_bytes), or the replies to its lines are more than "               \
		 "max_reply_bytes. Split the batch, or ask for fewer outputs.")                    \
	AS_IS(STATUS_INVALID_ENCODING, 400)                                                        \
	AS_IS(STATUS_EMPTY_BODY, 400)                                                              \
	AS_IS(STATUS_INVALID_JSON, 400)                                                            \
	AS_IS(STATUS_INVALID_SAFETENSORS, 400)                                                     \
	AS_IS(STATUS_TRUNCATED_BODY, 400)                                                          \
	AS_IS(STATUS_INVALID_QUERY, 400)                                                           \
	AS_IS(LOSS_UNKNOWN_FIELD, 422)                                                             \
	IN_WORDS(LOSS_DUPLICATE_FIELD, 422, "duplicate_field", "Field given twice",                \
		 "A field stands twice in the body, or both in the body and in the query "         \
		 "string.")                                                                        \
	IN_WORDS(LOSS_WRONG_TYPE, 422, "wrong_type", "Value of the wrong type",                    \
		 "The value is valid JSON but not of the type that the field takes.")              \
	AS_IS(LOSS_DTYPE_MISMATCH, 422)                                                            \
	AS_IS(LOSS_MISSING_FIELD, 422)                                                             \
	AS_IS(STATUS_RAGGED_ARRAY, 422)                                                            \
	AS_IS(STATUS_TOO_MANY_ELEMENTS, 422)                                                       \
	AS_IS(LOSS_SHAPE_MISMATCH, 422)                                                            \
	AS_IS(LOSS_ARGUMENT_OUT_OF_RANGE, 422)                                                     \
	IN_WORDS(LOSS_TARGET_OUT_OF_BOUNDS, 422, "target_out_of_bounds", "Target out of bounds",   \
		 "A target is neither a class index in [0, C) nor ignore_index, or an entry of "   \
		 "groups is beyond the last group. The pointer "                                   \
		 "is the first one.")                                                              \
	IN_WORDS(LOSS_CANCELLED, 504, "deadline_exceeded", "Deadline exceeded",                    \
		 "X-Request-Timeout-Ms passed before the evaluation was complete. The work "       \
		 "was stopped.")

enum place {
#define PLACE(status, http) AT_##status,
#define PLACE_IN_WORDS(status, http, code, title, help) AT_##status,
	STATUS_LIST(PLACE, PLACE_IN_WORDS)
#undef PLACE
#undef PLACE_IN_WORDS
		N_PLACES
};
_Static_assert(N_PLACES == STATUS_COUNT, "every status has its place, and LOSS_N_STATUS is none");

static const struct row {
	enum place place;
	int http;
	struct loss_status_words words; /* none: those of its own table */
} rows[STATUS_END] = {
#define ROW(status, http) [status] = {AT_##status, http, {NULL, NULL, NULL}},
#define ROW_IN_WORDS(status, http, code, title, help)                                              \
	[status] = {AT_##status, http, {code, title, help}},
	STATUS_LIST(ROW, ROW_IN_WORDS)
#undef ROW
#undef ROW_IN_WORDS
};

static const struct loss_status_words own_words[] = {
#define WORDS(name, code, title, help) [name - STATUS_START] = {code, title, help},
	STATUS_TABLE(WORDS)
#undef WORDS
};

static const loss_status in_order[] = {
#define STATUS(status, http) status,
#define STATUS_IN_WORDS(status, http, code, title, help) status,
	STATUS_LIST(STATUS, STATUS_IN_WORDS)
#undef STATUS
#undef STATUS_IN_WORDS
};

loss_status status_at(size_t i)
{
	return in_order[i];
}

bool status_precedes(loss_status a, loss_status b)
{
	return a != LOSS_OK && (b == LOSS_OK || rows[a].place < rows[b].place);
}

int status_http(loss_status status)
{
	return rows[status].http;
}

const struct loss_status_words *status_words(loss_status status)
{
	if (rows[status].words.code)
		return &rows[status].words;
	return status < STATUS_START ? loss_status_info(status) : &own_words[status - STATUS_START];
}
