/*
 * What goes wrong with a request: the errors of the library (loss.h) and the server's own, and what
 * becomes of each on the wire: HTTP status, code, precedence.
 */
#ifndef LOSSD_STATUS_H
#define LOSSD_STATUS_H

#include "loss.h"

/* The server's own errors, in the form of LOSS_STATUS_TABLE. A loss_status may be any of either. */
#define STATUS_TABLE(X)                                                                            \
	X(STATUS_INTERNAL_ERROR, "internal_error", "Internal error",                               \
	  "The server failed in a way that it should not. The request id finds the "               \
	  "event in its log.")                                                                     \
	X(STATUS_DRAINING, "draining", "The server is going away",                                 \
	  "The server has been told to stop and takes no new work. Send the request to "           \
	  "another replica, or again after Retry-After.")                                          \
	X(STATUS_QUEUE_FULL, "queue_full", "The queue is full",                                    \
	  "As many large problems, or as much work, wait to be computed as the settings "          \
	  "queue_length and queue_cost allow. Send the request again after Retry-After, or "       \
	  "to another replica.")                                                                   \
	X(STATUS_FORBIDDEN, "forbidden", "Not for this host, origin or key",                       \
	  "The Host is not one of the setting hosts, or a page of an origin that is "              \
	  "neither this server's nor one of the setting cors_origins asks for what "               \
	  "touches this machine, or the key has not the scope that the path needs.")               \
	X(STATUS_UNAUTHORIZED, "unauthorized", "A key is needed",                                  \
	  "The path needs a key, and none came, or one that is not known, or not any "             \
	  "more. Send Authorization: Bearer and the key.")                                         \
	X(STATUS_RATE_LIMITED, "rate_limited", "Too much for this key",                            \
	  "The key has sent as many requests, or as many bytes, as it may in a second. "           \
	  "Send the request again after Retry-After.")                                             \
	X(STATUS_UNKNOWN_PATH, "unknown_path", "No such path",                                     \
	  "The path is not one of the server's. GET / lists them, GET /openapi.yaml "              \
	  "describes them.")                                                                       \
	X(STATUS_UNKNOWN_LOSS, "unknown_loss", "No such loss",                                     \
	  "The name in the path is not a loss that this server computes. GET "                     \
	  "/v1/losses lists them.")                                                                \
	X(STATUS_METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed",                   \
	  "The path exists but not for this method. The Allow header lists the methods "           \
	  "that it takes.")                                                                        \
	X(STATUS_INVALID_HEADER, "invalid_header", "A header is malformed",                        \
	  "A request header is missing, doubled, or has a value outside its grammar or "           \
	  "range. The detail names the header and what it must be.")                               \
	X(STATUS_LENGTH_REQUIRED, "length_required", "A body length is required",                  \
	  "The request needs a body but announces neither Content-Length nor chunked "             \
	  "Transfer-Encoding.")                                                                    \
	X(STATUS_EXPECTATION_FAILED, "expectation_failed", "Unknown expectation",                  \
	  "The only expectation that the server can meet is Expect: 100-continue.")                \
	X(STATUS_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type",       \
	  "The Content-Type is not one that this path reads. With curl, add -H "                   \
	  "'Content-Type: application/json'.")                                                     \
	X(STATUS_UNSUPPORTED_ENCODING, "unsupported_encoding", "Unsupported content encoding",     \
	  "The Content-Encoding is not one that this server decodes, which are "                   \
	  "gzip, deflate and zstd, one at a time. Or send the body as it is.")                     \
	X(STATUS_NOT_ACCEPTABLE, "not_acceptable", "Nothing acceptable to reply with",             \
	  "The Accept header excludes every media type that this path can reply with. "            \
	  "Accept application/json, or leave the header out.")                                     \
	X(STATUS_BODY_TOO_LARGE, "body_too_large", "The body is too large",                        \
	  "The body is larger than max_body_bytes. Split the batch: the totals of the "            \
	  "parts add up to the whole.")                                                            \
	X(STATUS_INVALID_ENCODING, "invalid_encoding", "The content coding is corrupt",            \
	  "The body is not what its Content-Encoding says: the compressed data is "                \
	  "corrupt, cut short, or has bytes after its end.")                                       \
	X(STATUS_EMPTY_BODY, "empty_body", "The body is empty",                                    \
	  "The request has no body, or only white space, where a problem is expected.")            \
	X(STATUS_INVALID_JSON, "invalid_json", "The body is not valid JSON",                       \
	  "The body breaks the grammar of JSON (RFC 8259), is not UTF-8, or nests "                \
	  "deeper than 32 levels. The detail gives the line and the column in bytes.")             \
	X(STATUS_INVALID_SAFETENSORS, "invalid_safetensors", "The body is not valid safetensors",  \
	  "The body breaks the format of safetensors: eight bytes of header length, a "            \
	  "JSON header, then the tensors without gaps, overlaps or bytes after them. "             \
	  "The detail says which rule is broken and where.")                                       \
	X(STATUS_TRUNCATED_BODY, "truncated_body", "The body ends too early",                      \
	  "The HTTP body is complete but the document in it is not. The detail says "              \
	  "where it ends.")                                                                        \
	X(STATUS_INVALID_QUERY, "invalid_query", "The query string is malformed",                  \
	  "The query string has bad percent-encoding or a part without a name.")                   \
	X(STATUS_RAGGED_ARRAY, "ragged_array", "Nested arrays of unequal length",                  \
	  "The nested arrays of a tensor must be rectangular. The pointer is the first "           \
	  "place that is not.")                                                                    \
	X(STATUS_TOO_MANY_ELEMENTS, "too_many_elements", "Too many elements",                      \
	  "A tensor has more elements than max_elements, or a rank over max_rank.")

enum {
	STATUS_START = LOSS_N_STATUS, /* none */
#define STATUS_ENUM(name, code, title, help) name,
	STATUS_TABLE(STATUS_ENUM)
#undef STATUS_ENUM
		STATUS_END
};

/* Of both tables: the numbers below STATUS_END but for STATUS_START. */
#define STATUS_COUNT ((size_t)STATUS_END - 1)
/* The i-th of those, in order of precedence: LOSS_OK, then what is reported first where a request
 * is wrong in several ways. */
loss_status status_at(size_t i);
/* Whether a is reported where b is wrong too. LOSS_OK, which is nothing, goes before none. */
bool status_precedes(loss_status a, loss_status b);
/* The HTTP status that carries it. */
int status_http(loss_status status);
/* Code, title and paragraph, as they go over the wire. */
const struct loss_status_words *status_words(loss_status status);

#endif
