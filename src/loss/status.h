/* What goes wrong: statuses, and where and why. Part of loss.h. */
#ifndef LOSS_STATUS_PUBLIC_H
#define LOSS_STATUS_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>

/* Leading dimension N, the classes, and up to six more: (N, C, d1..d6). */
#define LOSS_MAX_RANK 8

/*
 * Every error of the project: name, HTTP status, code on the wire, title, and a paragraph for
 * whoever looks the code up. The order is the order of precedence: where a request is wrong in
 * several ways, the first row that applies is reported.
 */
#define LOSS_STATUS_TABLE(X)                                                                       \
	X(LOSS_OK, 200, "ok", "OK", "Nothing is wrong.")                                           \
	X(LOSS_INTERNAL_ERROR, 500, "internal_error", "Internal error",                            \
	  "The server failed in a way that it should not. The request id finds the event in its "  \
	  "log.")                                                                                  \
	X(LOSS_DRAINING, 503, "draining", "The server is going away",                              \
	  "The server has been told to stop and takes no new work. Send the request to another "   \
	  "replica, or again after Retry-After.")                                                  \
	X(LOSS_OUT_OF_MEMORY, 503, "out_of_memory", "An allocation failed",                        \
	  "The machine had no memory left for this request. It was not evaluated; send it again "  \
	  "later.")                                                                                \
	X(LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, 429, "too_much_memory_in_flight",                        \
	  "Too much memory in flight",                                                             \
	  "The requests being served hold the whole memory budget (memory_budget_bytes). Send "    \
	  "the request again after Retry-After.")                                                  \
	X(LOSS_FORBIDDEN, 403, "forbidden", "Not for this host or origin",                         \
	  "The Host is not one of the setting hosts, or a page of an origin that is neither this " \
	  "server's nor one of the setting cors_origins asks for what touches this machine.")      \
	X(LOSS_UNKNOWN_PATH, 404, "unknown_path", "No such path",                                  \
	  "The path is not one of the server's. GET / lists them, GET /openapi.yaml describes "    \
	  "them.")                                                                                 \
	X(LOSS_UNKNOWN_LOSS, 404, "unknown_loss", "No such loss",                                  \
	  "The name in the path is not a loss that this server computes. GET /v1/losses lists "    \
	  "them.")                                                                                 \
	X(LOSS_METHOD_NOT_ALLOWED, 405, "method_not_allowed", "Method not allowed",                \
	  "The path exists but not for this method. The Allow header lists the methods that it "   \
	  "takes.")                                                                                \
	X(LOSS_INVALID_HEADER, 400, "invalid_header", "A header is malformed",                     \
	  "A request header is missing, doubled, or has a value outside its grammar or range. "    \
	  "The detail names the header and what it must be.")                                      \
	X(LOSS_LENGTH_REQUIRED, 411, "length_required", "A body length is required",               \
	  "The request needs a body but announces neither Content-Length nor chunked "             \
	  "Transfer-Encoding.")                                                                    \
	X(LOSS_EXPECTATION_FAILED, 417, "expectation_failed", "Unknown expectation",               \
	  "The only expectation that the server can meet is Expect: 100-continue.")                \
	X(LOSS_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported_media_type", "Unsupported media type",    \
	  "The Content-Type is not one that this path reads. With curl, add "                      \
	  "-H 'Content-Type: application/json'.")                                                  \
	X(LOSS_UNSUPPORTED_ENCODING, 415, "unsupported_encoding", "Unsupported content encoding",  \
	  "The Content-Encoding is not one that this server decodes, which are gzip and deflate, " \
	  "one at a time. Or send the body as it is.")                                             \
	X(LOSS_NOT_ACCEPTABLE, 406, "not_acceptable", "Nothing acceptable to reply with",          \
	  "The Accept header excludes every media type that this path can reply with. Accept "     \
	  "application/json, or leave the header out.")                                            \
	X(LOSS_BODY_TOO_LARGE, 413, "body_too_large", "The body is too large",                     \
	  "The body is larger than max_body_bytes. Split the batch: the totals of the parts add "  \
	  "up to the whole.")                                                                      \
	X(LOSS_TOO_LARGE_FOR_SERVER, 413, "too_large_for_server",                                  \
	  "The problem can never fit this server",                                                 \
	  "The request or its reply needs more memory than the server's whole budget "             \
	  "(memory_budget_bytes). Split the batch, or ask for fewer outputs.")                     \
	X(LOSS_INVALID_ENCODING, 400, "invalid_encoding", "The content coding is corrupt",         \
	  "The body is not what its Content-Encoding says: the compressed data is corrupt, cut "   \
	  "short, or has bytes behind its end.")                                                   \
	X(LOSS_EMPTY_BODY, 400, "empty_body", "The body is empty",                                 \
	  "The request has no body, or only white space, where a problem is expected.")            \
	X(LOSS_INVALID_JSON, 400, "invalid_json", "The body is not valid JSON",                    \
	  "The body breaks the grammar of JSON (RFC 8259), is not UTF-8, or nests deeper than 32 " \
	  "levels. The detail gives the line and the column in bytes.")                            \
	X(LOSS_INVALID_SAFETENSORS, 400, "invalid_safetensors",                                    \
	  "The body is not valid safetensors",                                                     \
	  "The body breaks the format of safetensors: eight bytes of header length, a JSON "       \
	  "header, then the tensors without gaps, overlaps or bytes behind them. The detail says " \
	  "which rule is broken and where.")                                                       \
	X(LOSS_TRUNCATED_BODY, 400, "truncated_body", "The body ends too early",                   \
	  "The HTTP body is complete but the document in it is not. The detail says where it "     \
	  "ends.")                                                                                 \
	X(LOSS_INVALID_QUERY, 400, "invalid_query", "The query string is malformed",               \
	  "The query string has bad percent-encoding or a part without a name.")                   \
	X(LOSS_UNKNOWN_FIELD, 422, "unknown_field", "Unknown field",                               \
	  "The loss has no tensor or argument of that name. The detail names the nearest one.")    \
	X(LOSS_DUPLICATE_FIELD, 422, "duplicate_field", "Field given twice",                       \
	  "A field stands twice in the body, or both in the body and in the query string.")        \
	X(LOSS_WRONG_TYPE, 422, "wrong_type", "Value of the wrong type",                           \
	  "The value is valid JSON but not of the type that the field takes.")                     \
	X(LOSS_DTYPE_MISMATCH, 422, "dtype_mismatch", "Tensor of the wrong dtype",                 \
	  "The tensor's element type is not one that it may have here, or a value does not fit "   \
	  "it.")                                                                                   \
	X(LOSS_MISSING_FIELD, 422, "missing_field", "A required field is missing",                 \
	  "A tensor that the loss needs is absent or null.")                                       \
	X(LOSS_RAGGED_ARRAY, 422, "ragged_array", "Nested arrays of unequal length",               \
	  "The nested arrays of a tensor must be rectangular. The pointer is the first place "     \
	  "that is not.")                                                                          \
	X(LOSS_TOO_MANY_ELEMENTS, 422, "too_many_elements", "Too many elements",                   \
	  "A tensor has more elements than max_elements, or a rank over max_rank.")                \
	X(LOSS_SHAPE_MISMATCH, 422, "shape_mismatch", "Shapes do not fit together",                \
	  "The shapes of the tensors contradict each other or the loss.")                          \
	X(LOSS_ARGUMENT_OUT_OF_RANGE, 422, "argument_out_of_range", "Argument out of range",       \
	  "The argument, or the element of a tensor, has the right type but a value outside its "  \
	  "range.")                                                                                \
	X(LOSS_TARGET_OUT_OF_BOUNDS, 422, "target_out_of_bounds", "Target out of bounds",          \
	  "A target is neither a class index in [0, C) nor ignore_index. The pointer is the "      \
	  "first one.")                                                                            \
	X(LOSS_DEADLINE_EXCEEDED, 504, "deadline_exceeded", "Deadline exceeded",                   \
	  "X-Request-Timeout-Ms passed before the evaluation was complete. The work was stopped.")

typedef enum loss_status {
#define LOSS_STATUS_ENUM(name, http, code, title, help) name,
	LOSS_STATUS_TABLE(LOSS_STATUS_ENUM)
#undef LOSS_STATUS_ENUM
		LOSS_N_STATUS
} loss_status;

struct loss_status_info {
	int http;          /* the HTTP status that carries it */
	const char *code;  /* the code on the wire, a slug */
	const char *title; /* a few words */
	const char *help;  /* a paragraph */
};

/* The row of a status; status must be below LOSS_N_STATUS. */
const struct loss_status_info *loss_status_info(loss_status status);

/*
 * What went wrong and where. `field` is the tensor's or argument's name, or "" where there is no
 * place. A place inside a tensor (or inside the list of outputs) is given both as a multi-index and
 * as a flat, row-major index, so that each wire format can point at it in its own way.
 */
struct loss_error {
	loss_status status;
	char field[64];
	bool has_index;
	int index_rank; /* entries of index in use; 0 for a scalar tensor */
	size_t index[LOSS_MAX_RANK];
	size_t flat_index;
	char detail[512];
};

/* Fills err (which may be NULL) without an index and returns status. `field` may be NULL or "". */
__attribute__((format(printf, 4, 5))) loss_status
loss_fail(struct loss_error *err, loss_status status, const char *field, const char *format, ...);

/*
 * Of several errors the one whose status comes first is kept, of equal ones the first. kept->status
 * is LOSS_OK while there is none. Returns `kept`, for loss_fail to fill, where an error of this
 * status is to be kept; else NULL. Ask before making the sentence: then there is at most one for
 * each status, however many errors a text has.
 */
struct loss_error *loss_claim_error(struct loss_error *kept, loss_status status);

#endif
